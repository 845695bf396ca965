//! What `taskgate dev` says when it is ready.

use std::net::SocketAddr;
use taskgate_api::Face;
use taskgate_infra::DatabaseUrl;

/// Where everything is, the key if one is asked for, and commands to try.
pub(super) fn text(
    url: &DatabaseUrl,
    addresses: &[(Face, SocketAddr)],
    key: Option<&str>,
) -> String {
    let mut text = format!("taskgate {} is ready\n\n", env!("CARGO_PKG_VERSION"));
    for (face, address) in addresses {
        text.push_str(&format!("  {:<9} http://{address}\n", face.as_str()));
    }
    let shown = key.map_or("none is asked for".to_owned(), |key| format!("{key} (every scope)"));
    text.push_str(&format!("  {:<9} {shown}\n", "key"));
    text.push_str(&format!("  {:<9} {url}\n", "store"));
    let examples: Vec<_> = addresses.iter().filter_map(|at| example(*at, key)).collect();
    if !examples.is_empty() {
        text.push_str(&format!("\nTry:\n{}\n", examples.join("\n")));
    }
    text
}

fn example((face, address): (Face, SocketAddr), key: Option<&str>) -> Option<String> {
    let header = key.map_or(String::new(), |key| format!(" -H 'X-API-Key: {key}'"));
    match face {
        Face::Gateway => Some(format!(
            "  curl http://{address}/api/v1/tasks{header} \
             -H 'Content-Type: application/json' -d '{{\"query\": \"What is a monad?\"}}'"
        )),
        Face::Research => Some(format!("  curl 'http://{address}/api/v1/tasks?limit=20'{header}")),
        Face::Worker => None,
    }
}

#[cfg(test)]
mod tests {
    use super::text;
    use taskgate_api::Face;

    #[test]
    fn it_shows_the_faces_that_are_on_and_how_to_call_them() {
        let addresses = [
            (Face::Gateway, "127.0.0.1:1".parse().unwrap()),
            (Face::Research, "[::1]:2".parse().unwrap()),
        ];
        let shown = text(&"sqlite://x.db".parse().unwrap(), &addresses, Some("sk_test"));
        let (_, rest) = shown.split_once("\n\n").unwrap();
        assert_eq!(
            rest,
            "  gateway   http://127.0.0.1:1\n\
             \x20 research  http://[::1]:2\n\
             \x20 key       sk_test (every scope)\n\
             \x20 store     sqlite://x.db\n\
             \n\
             Try:\n\
             \x20 curl http://127.0.0.1:1/api/v1/tasks -H 'X-API-Key: sk_test' \
             -H 'Content-Type: application/json' -d '{\"query\": \"What is a monad?\"}'\n\
             \x20 curl 'http://[::1]:2/api/v1/tasks?limit=20' -H 'X-API-Key: sk_test'\n"
        );
    }

    #[test]
    fn without_keys_the_commands_show_none() {
        let addresses = [(Face::Research, "127.0.0.1:1".parse().unwrap())];
        let shown = text(&"sqlite://x.db".parse().unwrap(), &addresses, None);
        let (_, rest) = shown.split_once("\n\n").unwrap();
        assert_eq!(
            rest,
            "  research  http://127.0.0.1:1\n\
             \x20 key       none is asked for\n\
             \x20 store     sqlite://x.db\n\
             \n\
             Try:\n\
             \x20 curl 'http://127.0.0.1:1/api/v1/tasks?limit=20'\n"
        );
    }
}
