//! The C library's allocator.

/// Keeps the allocator to two arenas. By default each thread gets one, and what a burst of work
/// leaves in them stays resident: several MiB in a daemon that is to idle below ten.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "the C library has no safe interface to mallopt")]
pub fn limit_arenas() {
    const ARENAS: libc::c_int = 2;
    // SAFETY: mallopt takes two integers and only sets a number in the allocator. It is called
    // before the runtime's threads exist. A failure leaves the default, which is only larger.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
    }
}

/// Other C libraries have no such knob.
#[cfg(not(target_env = "gnu"))]
pub fn limit_arenas() {}

/// Gives free memory back to the operating system: after a burst, and never often, since it
/// walks the heap.
#[cfg(target_env = "gnu")]
#[allow(
    unsafe_code,
    reason = "the C library has no safe interface to malloc_trim"
)]
pub fn trim() {
    // SAFETY: malloc_trim takes the octets to keep at the top, locks each arena itself, and
    // releases only pages that hold no allocation.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other C libraries have no such call.
#[cfg(not(target_env = "gnu"))]
pub fn trim() {}
