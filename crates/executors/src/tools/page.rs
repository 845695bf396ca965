//! What the bytes of a page say.

use encoding_rs::{Encoding, UTF_8};

/// The longest text that is kept of a page, in bytes.
const MOST_TEXT: usize = 16 * 1024;
/// The longest title, in characters.
const MOST_TITLE: usize = 200;
/// How many bytes at the start of a page are looked at for its encoding, which
/// is where HTML wants it.
const PRESCAN: usize = 1024;
/// How deep the elements of a page may lie in each other. The layout takes a
/// time that grows with the square of the depth, and more for tables.
const DEEPEST: usize = 128;
/// The width that tables of a page are laid out for.
const WIDTH: usize = 120;

/// What kind of page it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Html,
    /// Plain text or JSON.
    Text,
}

/// A page that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// The title that the page gives itself.
    pub(super) title: Option<String>,
    /// What it says, without its markup.
    pub(super) text: String,
}

/// The form and the character encoding that a `Content-Type` tells; `None` for
/// a form that is not read. Without a header the page has to look like text.
pub(super) fn form(content_type: &str) -> Option<(Form, Option<&str>)> {
    let mut parts = content_type.split(';').map(str::trim);
    let form = match parts.next()?.to_ascii_lowercase().as_str() {
        "text/html" => Form::Html,
        "text/plain" | "application/json" => Form::Text,
        _ => return None,
    };
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim_matches([' ', '"']))
    });
    Some((form, charset))
}

/// Reads a page. This takes a while for large ones.
pub(super) fn read(bytes: &[u8], form: Form, charset: Option<&str>) -> Page {
    let declared =
        charset.map(str::to_owned).or_else(|| (form == Form::Html).then(|| meta(bytes))?);
    let encoding =
        declared.and_then(|label| Encoding::for_label(label.as_bytes())).unwrap_or(UTF_8);
    // A byte order mark says more than the header does.
    let (text, _, _) = encoding.decode(bytes);
    match form {
        Form::Text => Page { title: None, text: cut(text.trim()) },
        Form::Html => Page { title: title(&text), text: cut(plain(&text).trim()) },
    }
}

/// The encoding that HTML declares in itself.
fn meta(bytes: &[u8]) -> Option<String> {
    let start = String::from_utf8_lossy(bytes.get(..PRESCAN).unwrap_or(bytes)).to_ascii_lowercase();
    let (_, after) = start.split_once("charset=")?;
    let label = after.trim_start_matches(['"', '\'']);
    let end = label.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | ':'));
    label.get(..end?).map(str::to_owned)
}

fn title(html: &str) -> Option<String> {
    let lower = html.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let start = open + lower.get(open..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find("</title")?;
    let title = plain(html.get(start..end)?);
    let title: String = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let title: String = title.chars().take(MOST_TITLE).collect();
    (!title.is_empty()).then_some(title)
}

/// The text of HTML, empty when it is too odd to be laid out.
fn plain(html: &str) -> String {
    if depth(html) > DEEPEST {
        return String::new();
    }
    html2text::config::plain_no_decorate()
        .allow_width_overflow()
        .no_table_borders()
        .string_from_read(html.as_bytes(), WIDTH)
        .unwrap_or_default()
}

/// How deep the elements of a page may lie in each other at most: less where an
/// element is closed that is not open, or one lies in a script.
fn depth(html: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for tag in html.split('<').skip(1) {
        let (closes, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
        let name = tag.get(..end).unwrap_or_default().to_ascii_lowercase();
        if name.is_empty() || ENDS_BY_ITSELF.contains(&name.as_str()) {
            continue;
        }
        depth = if closes { depth.saturating_sub(1) } else { depth + 1 };
        deepest = deepest.max(depth);
    }
    deepest
}

/// Elements that hold nothing, or that the next of their kind ends.
const ENDS_BY_ITSELF: [&str; 26] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr", "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option",
    "optgroup",
];

/// The text, to a bounded length.
fn cut(text: &str) -> String {
    match text.get(..text.floor_char_boundary(MOST_TEXT)) {
        Some(start) if start.len() < text.len() => format!("{start} …"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, Form, MOST_TEXT, Page, form, read};

    #[test]
    fn markup_scripts_and_styles_are_left_out() {
        let html = "<!doctype html><html><head><title>Tea &amp;\n cake</title>\
                    <style>p { color: red }</style><script>alert('x')</script></head>\
                    <body><h1>Menu</h1><p>Green <b>tea</b> &lt; 5&nbsp;€</p>\
                    <ul><li>one</li><li>two</li></ul><a href=\"/x\">more</a></body></html>";
        let page = read(html.as_bytes(), Form::Html, None);
        assert_eq!(page.title.as_deref(), Some("Tea & cake"));
        insta::assert_snapshot!(page.text, @r#"
        # Menu

        Green tea < 5 €
        * one
        * two

        [more]
        "#);
    }

    #[test]
    fn a_page_is_read_in_its_encoding() {
        let shift_jis = encoding_rs::SHIFT_JIS.encode("<p>日本語</p>").0.into_owned();
        assert_eq!(read(&shift_jis, Form::Html, Some("Shift_JIS")).text, "日本語");
        let declared = [b"<meta charset=\"shift_jis\">".as_slice(), &shift_jis].concat();
        assert_eq!(read(&declared, Form::Html, None).text, "日本語");
        assert_eq!(read("日本語".as_bytes(), Form::Text, None).text, "日本語");
        assert_eq!(read(b"\xffok", Form::Text, Some("no-such")).text, "\u{fffd}ok");
    }

    #[test]
    fn only_texts_are_read() {
        assert_eq!(form("text/html; charset=\"EUC-JP\""), Some((Form::Html, Some("EUC-JP"))));
        assert_eq!(form("Text/Plain"), Some((Form::Text, None)));
        assert_eq!(
            form("application/json ; a=b; Charset=utf-8"),
            Some((Form::Text, Some("utf-8")))
        );
        for other in ["image/png", "application/pdf", "text/htmlx", "", "application/octet-stream"]
        {
            assert_eq!(form(other), None, "{other}");
        }
    }

    #[test]
    fn hostile_pages_are_bounded() {
        let deep = "<div>".repeat(100_000);
        let tables = "<table><tr><td>".repeat(10_000);
        let most = "<div>".repeat(DEEPEST) + &"<p>a".repeat(100_000);
        let most_tables = "<table><tr><td>".repeat(DEEPEST) + "a";
        let long = "あ".repeat(MOST_TEXT);
        for page in [
            deep.as_str(),
            &tables,
            &most,
            &most_tables,
            "<title>",
            "<title",
            "charset=",
            "<p>\0</p>",
        ] {
            let Page { text, .. } = read(page.as_bytes(), Form::Html, None);
            assert!(text.len() <= MOST_TEXT + " …".len());
        }
        let text = read(long.as_bytes(), Form::Text, None).text;
        assert!(text.ends_with("あ …") && text.len() <= MOST_TEXT + " …".len());
    }
}
