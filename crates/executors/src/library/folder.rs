//! Reads the documents of a folder.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// How much a folder may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Documents.
    pub(super) files: usize,
    /// Bytes of one of them.
    pub(super) file_bytes: u64,
    /// Bytes of all of them.
    pub(super) bytes: u64,
}

impl Limits {
    pub(super) const DEFAULT: Self = Self { files: 10_000, file_bytes: 4 << 20, bytes: 256 << 20 };
}

/// Why a folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Something in it cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// What cannot be read.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a file.
    #[error("{} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// A document is not UTF-8.
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// A document is too large.
    #[error("{} has more than {limit} bytes", path.display())]
    FileTooLarge {
        /// The document.
        path: PathBuf,
        /// How large it may be.
        limit: u64,
    },
    /// There are too many documents.
    #[error("{} has more than {limit} documents", path.display())]
    TooManyFiles {
        /// The folder.
        path: PathBuf,
        /// How many there may be.
        limit: usize,
    },
    /// The documents are too large together.
    #[error("the documents of {} have more than {limit} bytes together", path.display())]
    TooLarge {
        /// The folder.
        path: PathBuf,
        /// How large they may be.
        limit: u64,
    },
}

/// A document of a folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// Where it is, from the folder on, with slashes.
    pub(super) path: String,
    /// What it says.
    pub(super) text: String,
}

/// The documents of a folder and of those in it, in the order of their names:
/// files that end in `.md` or `.txt`. What begins with a dot is left out, and so
/// are symbolic links, which may lead anywhere.
///
/// # Errors
/// [`FolderError`] when anything cannot be read, or a limit is passed.
pub(super) fn read_documents(folder: &Path, limits: Limits) -> Result<Vec<Document>, FolderError> {
    let unreadable = |path: &Path, source| FolderError::Unreadable { path: path.into(), source };
    if !fs::metadata(folder).map_err(|error| unreadable(folder, error))?.is_dir() {
        return Err(FolderError::NotAFolder(folder.into()));
    }
    let mut documents = Vec::new();
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).map_err(|error| unreadable(&current, error))? {
            let entry = entry.map_err(|error| unreadable(&current, error))?;
            let path = entry.path();
            // The type of the entry itself: that of a link is neither.
            let kind = entry.file_type().map_err(|error| unreadable(&path, error))?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && is_document(&path) {
                if documents.len() == limits.files {
                    let limit = limits.files;
                    return Err(FolderError::TooManyFiles { path: folder.into(), limit });
                }
                let text = read_text(&path, limits.file_bytes)?;
                bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
                if bytes > limits.bytes {
                    let limit = limits.bytes;
                    return Err(FolderError::TooLarge { path: folder.into(), limit });
                }
                documents.push(Document { path: path_within(folder, &path), text });
            }
        }
    }
    documents.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(documents)
}

fn is_document(path: &Path) -> bool {
    let known =
        |end: &std::ffi::OsStr| end.eq_ignore_ascii_case("md") || end.eq_ignore_ascii_case("txt");
    path.extension().is_some_and(known)
}

fn read_text(path: &Path, limit: u64) -> Result<String, FolderError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|source| FolderError::Unreadable { path: path.into(), source })?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(FolderError::FileTooLarge { path: path.into(), limit });
    }
    String::from_utf8(bytes).map_err(|_| FolderError::NotText(path.into()))
}

fn path_within(folder: &Path, path: &Path) -> String {
    let within = path.strip_prefix(folder).unwrap_or(path);
    within.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
