//! What this machine, or the container on it, gives to the process.

#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::thread;

/// What a worker takes, for `workers = "auto"`: a booted Symfony application has 20 to 40 MiB on its heap and needs as much again for
/// a request of some size. Whoever knows better sets `workers`.
const WORKER_BYTES: u64 = 64 * 1024 * 1024;
/// What the process takes besides: OPcache's shared memory, buffers, the engine itself.
const BASE_BYTES: u64 = 192 * 1024 * 1024;

/// CPUs this process may use; the standard library knows affinity masks and cgroup quotas.
pub(super) fn usable_cpus() -> u32 {
    thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1))
}

/// Number of workers where nobody says one: two per usable CPU, as far as the memory limit of the control group allows.
pub(super) fn auto_workers() -> u32 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    workers(usable_cpus(), memory_limit(Path::new("/sys/fs/cgroup"), &groups))
}

fn workers(cpus: u32, memory: Option<u64>) -> u32 {
    let fit = memory.map_or(u64::MAX, |limit| limit.saturating_sub(BASE_BYTES) / WORKER_BYTES);
    // No more than the key itself allows.
    u32::try_from(u64::from(cpus.saturating_mul(2)).min(fit)).unwrap_or(1).clamp(1, 1024)
}

/// The least memory limit of the process's control groups and those above them, version 2 or 1; none if there is none.
fn memory_limit(mount: &Path, groups: &str) -> Option<u64> {
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (base, file) = match controllers {
            "" => (mount.to_owned(), "memory.max"),
            list if list.split(',').any(|name| name == "memory") => (mount.join("memory"), "memory.limit_in_bytes"),
            _ => continue,
        };
        // In a container the path may be that of the host: then only what is mounted at the top is ours.
        let group = Path::new(path.trim_start_matches('/'));
        for ancestor in group.ancestors() {
            // "max" is no number. Version 1 says 2^63 rounded down to pages where there is no limit.
            let limit =
                fs::read_to_string(base.join(ancestor).join(file)).ok().and_then(|text| text.trim().parse().ok());
            least = [least, limit.filter(|limit: &u64| *limit < 1 << 60)].into_iter().flatten().min();
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_limit_bounds_the_number_of_workers() {
        const MIB: u64 = 1024 * 1024;
        let cases =
            [(4, None, 8), (4, Some(100 * MIB), 1), (4, Some(512 * MIB), 5), (4, Some(1 << 40), 8), (900, None, 1024)];
        for (cpus, memory, expected) in cases {
            assert_eq!(workers(cpus, memory), expected, "{cpus} CPUs, {memory:?}");
        }
    }

    #[test]
    fn limits_of_both_versions_are_found_on_the_way_up() {
        let mount = tempfile::tempdir().expect("a folder");
        let put = |path: &str, text: &str| {
            let file = mount.path().join(path);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, text).expect("a file");
        };
        put("shop/php/memory.max", "max\n");
        put("shop/memory.max", "1000\n");
        put("memory/docker/1/memory.limit_in_bytes", "9223372036854771712\n");
        put("memory/docker/memory.limit_in_bytes", "2000\n");
        let limit = |groups: &str| memory_limit(mount.path(), groups);
        assert_eq!(limit("0::/shop/php\n"), Some(1000));
        assert_eq!(limit("0::/shop\n"), Some(1000));
        assert_eq!(limit("0::/other\n"), None);
        assert_eq!(limit("5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n"), Some(2000));
        assert_eq!(limit("5:cpu,cpuacct:/docker\n"), None);
        assert_eq!(limit(""), None);
        put("memory.max", "500\n");
        assert_eq!(limit("0::/\n"), Some(500), "a container sees its own group at the top");
        assert_eq!(limit("0::/system.slice/elsewhere\n"), Some(500));
    }
}
