//! Memory that is not in use: the C library's, and the program's own code.

use std::time::Duration;

use tokio::time::sleep;

/// How often it is looked whether the process is quiet.
const LOOK: Duration = Duration::from_secs(1);
/// It is where it used less CPU time than that in [`LOOK`].
const QUIET: Duration = Duration::from_millis(30);
/// After so much CPU time there is memory worth giving back.
const WORTH: Duration = Duration::from_millis(10);
/// After so many looks there is, too: the least work needs much code.
const LOOKS: u32 = 10;

/// Keeps the allocator to one arena, and large pieces out of it. By default each thread gets an
/// arena, and what a burst of work leaves in them stays resident: several MiB in a daemon that is to
/// idle below ten. And once a large piece has been freed the next ones come from an arena, where
/// small ones settle behind them and keep their place resident; with a threshold that is set they
/// never do (mallopt(3)).
#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "the C library has no safe interface to mallopt")]
pub fn limit_arenas() {
    const ARENAS: libc::c_int = 1;
    /// Octets, from which on a piece is mapped by itself: the C library's first value.
    const LARGE: libc::c_int = 128 * 1024;
    // SAFETY: mallopt takes two integers and only sets a number in the allocator. It is called
    // before the runtime's threads exist. A failure leaves the default, which is only larger.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

/// Other C libraries have no such knob.
#[cfg(not(target_env = "gnu"))]
pub fn limit_arenas() {}

/// Gives memory back whenever the process has worked and is quiet again.
pub async fn keep_small() {
    let (mut last, mut trimmed, mut looks) = (cpu_time(), Duration::ZERO, 0);
    loop {
        sleep(LOOK).await;
        looks += 1;
        let now = cpu_time();
        let is_quiet = now.saturating_sub(last) < QUIET;
        let is_worth = now.saturating_sub(trimmed) >= WORTH || looks >= LOOKS;
        last = now;
        if is_quiet && is_worth {
            tokio::task::block_in_place(trim);
            last = cpu_time();
            (trimmed, looks) = (last, 0);
        }
    }
}

/// What the process has used; nothing, where the system does not say.
#[allow(
    unsafe_code,
    reason = "the C library has no safe interface to its clocks"
)]
fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime writes a timespec to where it is told, and that is one.
    unsafe {
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time);
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Gives free memory back to the operating system: never often, since it walks the heap.
#[cfg(target_env = "gnu")]
#[allow(
    unsafe_code,
    reason = "the C library has no safe interface to malloc_trim"
)]
fn trim() {
    // SAFETY: malloc_trim takes the octets to keep at the top, locks each arena itself, and
    // releases only pages that hold no allocation.
    unsafe {
        libc::malloc_trim(0);
    }
    release_code();
}

/// Other C libraries have no such call.
#[cfg(not(target_env = "gnu"))]
fn trim() {
    release_code();
}

/// Takes code and constants out of the process's resident memory. The kernel maps it in large
/// pieces, so that what only a start needs, or another command, stays resident for ever. What runs
/// again comes back from the page cache, a fault for each piece.
fn release_code() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else {
        return;
    };
    let Ok(program) = std::fs::read_link("/proc/self/exe") else {
        return;
    };
    for (start, end) in code(&maps, &program.to_string_lossy()) {
        discard(start, end);
    }
}

/// Where code of files is mapped, that of libraries too, and the program's constants: neither is ever
/// writable, so never changed. What the loader writes addresses into comes behind the code
/// (ELF: PT_GNU_RELRO), and is not among that.
fn code(maps: &str, program: &str) -> Vec<(usize, usize)> {
    let ranges = maps.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let (access, offset) = (fields.next()?, fields.next()?);
        let path = fields.nth(2).filter(|path| path.starts_with('/'))?;
        let is_constant = match access {
            "r-xp" => true,
            "r--p" => path == program && u64::from_str_radix(offset, 16) == Ok(0),
            _ => false,
        };
        let address = |text| usize::from_str_radix(text, 16).ok();
        is_constant.then_some((address(start)?, address(end)?))
    });
    ranges.collect()
}

#[allow(unsafe_code, reason = "madvise has no safe interface for code")]
fn discard(start: usize, end: usize) {
    let place = std::ptr::without_provenance_mut(start);
    // SAFETY: the range is a mapping of a file that is not writable, as the kernel has just said, and
    // neither code nor the program's first constants are ever unmapped or made writable. So each of
    // its pages is as in the file, and the next access reads it from there again.
    unsafe {
        libc::madvise(place, end.saturating_sub(start), libc::MADV_DONTNEED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_and_the_programs_constants_are_let_go() {
        let maps = "55d7b5335000-55d7b56c8000 r--p 00000000 fe:00 10 /usr/bin/herald\n\
            55d7b56c8000-55d7b63bd000 r-xp 00392000 fe:00 10 /usr/bin/herald\n\
            55d7b63bd000-55d7b6430000 r--p 01086000 fe:00 10 /usr/bin/herald\n\
            55d7b6430000-55d7b6433000 rw-p 010f8000 fe:00 10 /usr/bin/herald\n\
            7f0000000000-7f0000001000 r-xp 00000000 fe:00 11 /usr/lib/libc.so.6\n\
            7f0000001000-7f0000002000 r--p 00000000 fe:00 11 /usr/lib/libc.so.6\n\
            7ffc60bfd000-7ffc60bff000 r-xp 00000000 00:00 0 [vdso]\n";
        let expected = [
            (0x55d7_b533_5000, 0x55d7_b56c_8000),
            (0x55d7_b56c_8000, 0x55d7_b63b_d000),
            (0x7f00_0000_0000, 0x7f00_0000_1000),
        ];
        assert_eq!(code(maps, "/usr/bin/herald"), expected);
    }

    #[test]
    fn the_program_runs_on_after_its_code_was_let_go() {
        for _ in 0..3 {
            trim();
        }
        assert_eq!("1 2 3".split(' ').count(), 3);
    }

    #[test]
    fn work_takes_cpu_time() {
        let before = cpu_time();
        while cpu_time() == before {
            std::hint::black_box((0..1_000).sum::<u64>());
        }
        assert!(before > Duration::ZERO);
    }
}
