use super::*;

#[test]
fn sigterm_is_read_from_the_descriptor_and_sigint_is_swallowed() {
    let termination = Termination::block().expect("block");
    assert!(!termination.arrived().expect("read"));
    // SAFETY: raises a signal that this thread has blocked, in this thread.
    unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGINT) };
    assert!(!termination.arrived().expect("read"), "SIGINT is the parent's");
    // SAFETY: as above.
    unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGTERM) };
    assert!(termination.arrived().expect("read"));
    assert!(!termination.arrived().expect("read"), "once");
}

#[test]
fn an_unexpected_parent_is_reported() {
    let parent = std::os::unix::process::parent_id();
    assert!(die_with_parent(parent).is_ok());
    assert!(die_with_parent(parent.wrapping_add(1)).is_err());
    set_parent_process_death_signal(None).expect("reset");
}

#[test]
fn a_pinned_thread_stays_on_its_core() {
    pin_to_core(0).expect("core 0 exists");
    let cores = rustix::thread::sched_getaffinity(None).expect("affinity");
    assert!(cores.is_set(0));
    assert_eq!(cores.count(), 1);
    assert!(pin_to_core(100_000).is_err());
}

#[test]
fn resident_memory_is_more_than_a_page() {
    assert!(resident_bytes().expect("statm") > 4096);
}
