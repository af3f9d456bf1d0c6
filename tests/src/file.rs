//! A directory for a test's files.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A new directory, removed with everything in it when it is dropped.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
}

impl TempDir {
    /// Makes it in the system's directory for such things.
    #[allow(clippy::new_without_default)] // it does I/O
    pub fn new() -> TempDir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kq-tests-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // What a crashed program of the same pid left behind.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        TempDir { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name` in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A new file of `size` bytes, open for reading and writing at its beginning.
    pub fn file(&self, name: &str, size: usize) -> File {
        fs::write(self.join(name), vec![b'x'; size]).unwrap();
        self.open(name)
    }

    /// Opens a file for reading and writing.
    pub fn open(&self, name: &str) -> File {
        let mut options = OpenOptions::new();
        options.read(true).write(true).open(self.join(name)).unwrap()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A test that failed has more to tell than this.
        let _ = fs::remove_dir_all(&self.path);
    }
}
