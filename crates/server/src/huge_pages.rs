//! Memory in pages of the usual size.

/// Keeps the kernel from backing this process's memory with huge pages.
///
/// Each connection has two buffers of 8 KiB, of which an idle stream touches the
/// beginnings. A huge page is in memory as a whole: with them ten thousand
/// streams take twice as much.
pub(crate) fn refuse() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "cannot do without huge pages");
    }
}
