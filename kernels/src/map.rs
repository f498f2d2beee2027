//! Read-only maps of files: the one place where the engine touches mapped memory.

use std::{fs::File, io, ops::Deref, path::Path};

#[cfg(unix)]
use crate::lost_pages::Named;

/// The bytes of a file, mapped read-only; an empty file maps to an empty slice.
///
/// The files behind maps are written once and then only appended to by this engine. Where another process truncates one
/// while it is mapped, or its disk fails, the operating system stops this process (SIGBUS) at the first touch of a lost
/// page: no page is ever read as something that it is not. [`explain_lost_pages`] says why.
#[derive(Debug)]
pub struct Map {
    /// Before the bytes, so that it is dropped while they are still mapped.
    #[cfg(unix)]
    _named: Option<Named>,
    bytes: Option<memmap2::Mmap>,
}

impl Map {
    /// Maps the file at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = match file.metadata()?.len() {
            0 => None,
            // SAFETY: the map is read-only and plain bytes, for which every value is valid; the engine never changes bytes
            // that it has already written, so no write races with a reader of the slice.
            _ => Some(unsafe { memmap2::Mmap::map(&file) }?),
        };
        Ok(Self {
            #[cfg(unix)]
            _named: bytes.as_ref().map(|bytes| Named::new(bytes.as_ptr().addr(), bytes.len(), path)),
            bytes,
        })
    }
}

/// A map that is read here and there: the system reads what is touched or [`prefetch`]ed and nothing ahead, until this is
/// dropped.
#[derive(Debug)]
pub struct Scattered<'a> {
    map: &'a Map,
}

impl Map {
    /// Says that the file will be read here and there.
    #[must_use = "it holds while the result lives"]
    pub fn scattered(&self) -> Scattered<'_> {
        #[cfg(unix)]
        self.advise(memmap2::Advice::Random);
        Scattered { map: self }
    }

    /// Advice changes how fast bytes come, not which: where the system refuses it, all goes on.
    #[cfg(unix)]
    fn advise(&self, advice: memmap2::Advice) {
        let _ = self.bytes.as_ref().map(|bytes| bytes.advise(advice));
    }
}

impl Drop for Scattered<'_> {
    fn drop(&mut self) {
        #[cfg(unix)]
        self.map.advise(memmap2::Advice::Normal);
    }
}

/// Asks for bytes of a map that are about to be read, all at once: a page that is touched without comes on its own. Bytes
/// elsewhere stay as they are.
pub fn prefetch(bytes: &[u8]) {
    #[cfg(unix)]
    {
        // SAFETY: the call only reads a setting.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let before = bytes.as_ptr().addr() % page;
        let start = bytes.as_ptr().wrapping_sub(before).cast_mut();
        // SAFETY: this advice changes neither bytes nor maps; the range is that of the living slice and the beginning of its
        // first page. What it returns says how fast bytes will come, not which.
        unsafe { libc::madvise(start.cast(), before + bytes.len(), libc::MADV_WILLNEED) };
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or(&[])
    }
}

/// From now on a mapped file that loses pages ends the process with exit code 1 and a message that names the file, instead
/// of a bare SIGBUS. For programs, not for libraries: it takes over the signal. Does nothing where there is no such signal.
pub fn explain_lost_pages() {
    #[cfg(unix)]
    crate::lost_pages::explain();
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    /// Pages of a map that are in memory.
    fn resident(map: &Map) -> Vec<usize> {
        let mut pages = vec![0; map.len().div_ceil(PAGE)];
        // SAFETY: the call writes a byte for each page of the map to a buffer of as many.
        let status = unsafe { libc::mincore(map.as_ptr().cast_mut().cast(), map.len(), pages.as_mut_ptr()) };
        assert_eq!(status, 0);
        (0..pages.len()).filter(|&page| pages[page] & 1 == 1).collect()
    }

    const PAGE: usize = 4096;

    #[test]
    fn scattered_reads_read_no_more_than_was_asked_for() {
        let path = std::env::temp_dir().join(format!("homonym-map-{}", std::process::id()));
        std::fs::write(&path, vec![7; 4096 * PAGE]).unwrap();
        let file = File::open(&path).unwrap();
        file.sync_all().unwrap();
        let map = Map::open(&path).unwrap();
        let forget = || {
            // SAFETY: advice about a file that is open.
            unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
            resident(&map).len()
        };
        if forget() > 0 {
            eprintln!("skipped: the files of this folder are always in memory");
            return std::fs::remove_file(&path).unwrap();
        }
        let scattered = map.scattered();
        assert_eq!(map[2000 * PAGE + 9], 7);
        let touched = resident(&map);
        assert!(touched.contains(&2000) && touched.len() <= 16, "a touch read the pages {touched:?}");
        let part = &map[1000 * PAGE + 5..1025 * PAGE + 5];
        prefetch(part);
        assert!(part.iter().all(|&byte| byte == 7));
        let read = resident(&map);
        assert!((1000..=1025).all(|page| read.contains(&page)) && read.len() <= 26 + 2 * 16, "pages {read:?}");
        drop(scattered);
        forget();
        assert_eq!(map[2000 * PAGE + 9], 7);
        assert!(resident(&map).len() > touched.len(), "afterwards the system reads ahead as usual");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn anything_may_be_prefetched() {
        prefetch(&[]);
        prefetch(&[1, 2, 3]);
    }
}
