//! The end-to-end suites, one module for each story.
