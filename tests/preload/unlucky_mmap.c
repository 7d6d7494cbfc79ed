/* The memory that OPcache asks for lies as near below the heap as it can: what the kernel does by chance, once in some hundred starts. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static uintptr_t heap(void)
{
	char line[512];
	uintptr_t start = 0, end;
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps && fgets(line, sizeof(line), maps)) {
		if (strstr(line, "[heap]")) {
			sscanf(line, "%lx-%lx", &start, &end);
		}
	}
	if (maps) {
		fclose(maps);
	}
	return start;
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
	const uintptr_t page = 4096, far = 4 * 1024 * 1024;

	if (!address && (flags & MAP_32BIT) && (flags & MAP_SHARED)) {
		const uintptr_t above = heap();
		uintptr_t below;

		for (below = 0; above > length + far && below < far; below += page) {
			const uintptr_t at = above - length - below;
			const long got = syscall(SYS_mmap, at, length, protection, (flags & ~MAP_32BIT) | MAP_FIXED_NOREPLACE, file, offset);

			if (got == (long)at) {
				fprintf(stderr, "unlucky: %zu bytes below the heap\n", (size_t)below);
				return (void *)at;
			}
		}
	}
	return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}
