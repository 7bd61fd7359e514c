"""What the container of a daemon takes, as its control groups count it."""

import dataclasses

from stage import daemon_pod, on_node

FILES = ["memory.stat", "memory.usage_in_bytes", "memory.current", "memory.max_usage_in_bytes", "memory.peak", "cpuacct.usage", "cpu.stat"]
# Prints these files of a container's groups: one for each controller in version 1, one in version 2.
LOOK = """for group in $(find /sys/fs/cgroup -type d -name "*$0*"); do
  for file in "$@"; do [ ! -e "$group/$file" ] || { echo "=== $file"; cat "$group/$file"; }; done
done"""


def _files(identity):
    """Their contents by name."""
    parts = on_node("sh", "-c", LOOK, identity, *FILES).split("=== ")[1:]
    return dict(part.split("\n", 1) for part in parts)


def _numbers(text):
    return {key: int(value) for key, value in (line.split() for line in text.splitlines())}


@dataclasses.dataclass
class Consumption:
    """Bytes and seconds."""

    memory: int       # all that counts against the limit
    volumes: int      # of it in mounted volumes
    anonymous: int    # of it the process's own
    peak: int
    cpu: float        # since the container started

    @classmethod
    def of(cls, daemon):
        """Of the daemon's container now."""
        found = _files(daemon_pod(daemon)["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2])
        stat = _numbers(found["memory.stat"])
        if "memory.usage_in_bytes" in found:
            used, peak = (int(found[name]) for name in ("memory.usage_in_bytes", "memory.max_usage_in_bytes"))
            # In version 1 "rss" is anonymous memory alone.
            return cls(used, stat["shmem"] if "shmem" in stat else stat["total_shmem"], stat["rss"], peak, int(found["cpuacct.usage"]) / 1e9)
        used = int(found["memory.current"])
        return cls(used, stat["shmem"], stat["anon"], int(found.get("memory.peak", used)), _numbers(found["cpu.stat"])["usage_usec"] / 1e6)

    def __str__(self):
        of = {"in all": self.memory, "its own": self.anonymous, "in volumes": self.volumes, "at most so far": self.peak}
        memory = ", ".join(f"{amount / 2**20:.1f} MiB {what}" for what, amount in of.items())
        return f"memory {memory}; {self.cpu:.2f} s of CPU since its start"
