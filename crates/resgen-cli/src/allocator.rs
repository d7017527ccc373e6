//! The allocator: mimalloc, told to keep the pages it has.
//!
//! A training step frees and allocates the same large tensors again and again. With pages given back to
//! the system in between, each of them costs page faults again.

/// `mi_option_purge_delay` of mimalloc's C header, the same number in its versions 2 and 3; the bindings
/// leave it out.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// The delay that means: never.
const NEVER: i8 = -1;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keeps freed pages for the next allocation. To be called before there are other threads.
pub fn keep_pages() {
    // SAFETY: the call writes one number into the allocator's table of options. It is not thread-safe,
    // and `main` calls it first, while the program has one thread.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, NEVER.into()) }
}
