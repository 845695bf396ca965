use std::os::unix::fs::symlink;

use super::*;

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn paths(folder: &Path) -> Vec<String> {
    let documents = read_documents(folder, Limits::DEFAULT).unwrap();
    documents.into_iter().map(|document| document.path).collect()
}

#[test]
fn markdown_and_text_files_are_read_however_deep() {
    let files: [(&str, &[u8]); 5] = [
        ("b.md", b"b"),
        ("a/deep/c.TXT", b"c"),
        ("page.html", b"x"),
        (".git/x.md", b"x"),
        ("md", b""),
    ];
    let folder = folder(&files);
    assert_eq!(paths(folder.path()), ["a/deep/c.TXT", "b.md"]);
}

#[test]
fn symbolic_links_are_not_followed() {
    let outside = folder(&[("secret.md", b"secret")]);
    let folder = folder(&[("a.md", b"a")]);
    symlink(outside.path().join("secret.md"), folder.path().join("b.md")).unwrap();
    symlink(outside.path(), folder.path().join("c")).unwrap();
    symlink(folder.path(), folder.path().join("round")).unwrap();
    assert_eq!(paths(folder.path()), ["a.md"]);
}

#[test]
fn what_is_too_much_or_unreadable_is_named() {
    let folder = folder(&[("a.md", b"1234"), ("b.md", b"1234")]);
    let limits = Limits { files: 2, file_bytes: 4, bytes: 8 };
    let told = |limits| read_documents(folder.path(), limits).map_err(|error| error.to_string());
    assert_eq!(told(limits).unwrap().len(), 2);
    let path = folder.path().display();
    let files = told(Limits { files: 1, ..limits }).unwrap_err();
    assert_eq!(files, format!("{path} has more than 1 documents"));
    let large = told(Limits { file_bytes: 3, ..limits }).unwrap_err();
    assert!(large.ends_with(".md has more than 3 bytes"), "{large}");
    let together = told(Limits { bytes: 7, ..limits }).unwrap_err();
    assert_eq!(together, format!("the documents of {path} have more than 7 bytes together"));
}

#[test]
fn what_is_no_folder_or_no_text_is_named() {
    let folder = folder(&[("a.md", b"\xff\xfe")]);
    let error = |path: &Path| read_documents(path, Limits::DEFAULT).unwrap_err();
    assert!(matches!(error(folder.path()), FolderError::NotText(path) if path.ends_with("a.md")));
    let file = folder.path().join("a.md");
    assert!(matches!(error(&file), FolderError::NotAFolder(path) if path == file));
    let missing = folder.path().join("missing");
    assert!(matches!(error(&missing), FolderError::Unreadable { path, .. } if path == missing));
}
