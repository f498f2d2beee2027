//! What is said when a mapped file loses pages: another process truncated it, or its disk fails. The touch of such a page
//! raises SIGBUS; all that is safe within a signal handler is to read what was laid out before, write, and leave.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Maps that can be named at a time: three of a store, and a few stores. One more is not named.
const SLOTS: usize = 64;

/// A range of addresses and the name of its file. A free slot starts at 0; while it is filled or emptied it ends at 0.
struct Slot {
    start: AtomicUsize,
    end: AtomicUsize,
    name: AtomicPtr<u8>,
    length: AtomicUsize,
}

static TABLE: [Slot; SLOTS] = [const {
    Slot {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        name: AtomicPtr::new(ptr::null_mut()),
        length: AtomicUsize::new(0),
    }
}; SLOTS];

/// The right to a slot of the table, as long as its map lives.
#[derive(Debug)]
pub(crate) struct Named {
    slot: Option<usize>,
    _name: Box<[u8]>,
}

impl Named {
    /// Names the file behind the `length` bytes at the address `start`.
    pub(crate) fn new(start: usize, length: usize, path: &Path) -> Self {
        let name: Box<[u8]> = path.as_os_str().as_bytes().into();
        let free = |slot: &Slot| slot.start.compare_exchange(0, start, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        let slot = TABLE.iter().position(free);
        if let Some(slot) = slot.map(|place| &TABLE[place]) {
            slot.name.store(name.as_ptr().cast_mut(), Ordering::Relaxed);
            slot.length.store(name.len(), Ordering::Relaxed);
            slot.end.store(start + length, Ordering::Release);
        }
        Self { slot, _name: name }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.map(|place| &TABLE[place]) {
            slot.end.store(0, Ordering::Release);
            slot.start.store(0, Ordering::Release);
        }
    }
}

/// What was done about the signal before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler, once.
pub(crate) fn explain() {
    BEFORE.get_or_init(|| {
        // SAFETY: `sigaction` is a struct of integers, a mask and an optional function pointer, all valid as zeros.
        let (mut own, mut before): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_bus_error;
        own.sa_sigaction = handler as libc::sighandler_t;
        // On the stack that the runtime sets apart for signals, where a thread has one.
        own.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: both structs live here; the handler has the signature that SA_SIGINFO asks for and calls nothing that is
        // not safe within a signal handler.
        unsafe { libc::sigaction(libc::SIGBUS, &own, &mut before) };
        before
    });
}

extern "C" fn on_bus_error(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the system passes a valid pointer, and SIGBUS has an address.
    let address = unsafe { (*info).si_addr() }.addr();
    let holds =
        |slot: &&Slot| (slot.start.load(Ordering::Acquire)..slot.end.load(Ordering::Acquire)).contains(&address);
    if let Some(slot) = TABLE.iter().find(holds) {
        say(b"homonym: ");
        if let Some(name) = NonNull::new(slot.name.load(Ordering::Relaxed)) {
            // SAFETY: the slot was filled with the bytes of a living `Named`: the thread that touched the page borrows
            // the map that owns it, so neither can be dropped now.
            say(unsafe { std::slice::from_raw_parts(name.as_ptr(), slot.length.load(Ordering::Relaxed)) });
        }
        say(b": expected the bytes that were there when it was opened, found some of them gone (SIGBUS): another process \
has cut the file short, or its disk fails; restore it and run again\n");
        // SAFETY: `_exit` may be called in a signal handler; it runs no destructors, as a death by the signal would not.
        unsafe { libc::_exit(1) };
    }
    // Not about a mapped file: as if this handler had never been there, when the instruction is repeated or, for a signal
    // that was sent, when this returns.
    // SAFETY: both calls are safe within a signal handler, and the struct is one that the system gave.
    unsafe {
        if let Some(before) = BEFORE.get() {
            libc::sigaction(signal, before, ptr::null_mut());
        }
        libc::raise(signal);
    }
}

/// Writes to standard error; what cannot be said is left unsaid.
fn say(text: &[u8]) {
    // SAFETY: `write` is safe within a signal handler and reads the bytes of a living slice.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}
