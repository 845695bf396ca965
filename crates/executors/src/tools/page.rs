//! What the bytes of a page say.

use crate::text::{cut, start};
use encoding_rs::{Encoding, UTF_8};
use html2text::{Element, Handle, RcDom};
use html5ever::{ParseOpts, tendril::TendrilSink, tree_builder::TreeBuilderOpts};

/// The longest text that is kept of a page, in bytes.
const MOST_TEXT: usize = 16 * 1024;
/// The longest title, in characters.
const MOST_TITLE: usize = 200;
/// How many bytes at the start of a page are looked at for its encoding, which
/// is where HTML wants it.
const PRESCAN: usize = 1024;
/// How much HTML is read, in bytes.
const MOST_HTML: usize = 256 * 1024;
/// How much of it is parsed at a time, in bytes.
const PIECE: usize = 4 * 1024;
/// How deep the elements of a page may lie in each other. The layout takes a
/// time that grows with the square of the depth, and more for tables; so does
/// parsing.
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
/// a form that is not read.
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
        Form::Text => Page { title: None, text: cut(text.trim(), MOST_TEXT) },
        Form::Html => {
            let html = start(&text, MOST_HTML);
            Page { title: title(html), text: cut(plain(html).trim(), MOST_TEXT) }
        }
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

/// The text of HTML, empty when its elements lie too deep in each other.
fn plain(html: &str) -> String {
    let config = html2text::config::plain_no_decorate().allow_width_overflow().no_table_borders();
    let Some(dom) = parse(html) else { return String::new() };
    let text =
        config.dom_to_render_tree(&dom).and_then(|tree| config.render_to_string(tree, WIDTH));
    text.unwrap_or_default()
}

/// The tree of HTML, unless it is too deep.
///
/// Only the parser knows how deep it is: markup that is not closed, or closed in
/// another order, becomes a tree all the same. It is asked time and again, so
/// that it goes on with no tree that has become too deep.
fn parse(html: &str) -> Option<RcDom> {
    let opts = ParseOpts {
        // Without scripts, what stands in for them is seen.
        tree_builder: TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() },
        ..ParseOpts::default()
    };
    let mut parser = html5ever::parse_document(RcDom::default(), opts);
    let mut rest = html;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(PIECE));
        parser.process(piece.into());
        if depth(&parser.tokenizer.sink.sink.document) > DEEPEST {
            return None;
        }
        rest = behind;
    }
    Some(parser.finish())
}

/// How deep the nodes below one lie in each other.
fn depth(root: &Handle) -> usize {
    let mut deepest = 0;
    let mut open = vec![(root.clone(), 0)];
    while let Some((node, depth)) = open.pop() {
        deepest = deepest.max(depth);
        open.extend(node.children.borrow().iter().map(|child| (child.clone(), depth + 1)));
        if let Element { template_contents, .. } = &node.data {
            open.extend(template_contents.borrow().iter().map(|it| (it.clone(), depth + 1)));
        }
    }
    deepest
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
    fn ordinary_pages_are_read() {
        let icon = "<svg><path d='M0 0'/><use href='#a'/></svg>";
        let html = "<script>for (i=0;i<n;i++) if (i<n) f('<div>')</script><!-- <div> -->\
                    <b><i>Tea</b></i> and <br/>cake<p>one<p>two<ul><li>three<li>four</ul>"
            .to_owned()
            + &icon.repeat(DEEPEST);
        let page = read(html.repeat(DEEPEST).as_bytes(), Form::Html, None);
        assert!(page.text.starts_with("Tea and\ncake\n\none\n\ntwo"), "{}", page.text);
    }

    /// Pages that are much deeper than they look, or take long to parse.
    #[test]
    fn hostile_pages_are_bounded() {
        let numbered: String = (0..40_000).map(|n| format!("<b a={n}>")).collect();
        for piece in [
            "<div>",
            "<div></x>",
            "<x><div></x>",
            "<b></x>",
            "<table><tr><td>",
            "<optgroup>",
            "<!--><div>",
            "<svg><path>",
            "<template>",
            &numbered,
        ] {
            let deep = piece.repeat(2 * 1024 * 1024 / piece.len());
            assert_eq!(read(deep.as_bytes(), Form::Html, None).text, "", "{piece:.20}");
        }
        let most = "<div>".repeat(DEEPEST - 10) + &"<p>a".repeat(100_000);
        let most_tables = "<table><tr><td>".repeat(DEEPEST / 4 - 2) + "a";
        for page in [most.as_str(), &most_tables, "<title>", "<title", "<p>\0</p>"] {
            let Page { text, .. } = read(page.as_bytes(), Form::Html, None);
            assert!(text.len() <= MOST_TEXT + " …".len());
            assert_eq!(text.is_empty(), !page.ends_with('a'), "{page:.20}");
        }
        let text = read("あ".repeat(MOST_TEXT).as_bytes(), Form::Text, None).text;
        assert!(text.ends_with("あ …") && text.len() <= MOST_TEXT + " …".len());
    }
}
