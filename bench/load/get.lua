-- One and the same GET, over and over.
dofile(os.getenv("BENCH_LOAD") .. "/counted.lua")
