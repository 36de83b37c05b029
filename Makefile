# Short names for what CMake and the scripts do. Everything is built in build/.
BUILD ?= build
JOBS  ?= $(shell nproc)

all: build

deps:
	@scripts/deps.sh

build: deps
	@test -f $(BUILD)/build.ninja || cmake -S . -B $(BUILD) -G Ninja
	@cmake --build $(BUILD) --parallel $(JOBS)

# Every test, also in the address,undefined build, with clang, and with io_uring denied. Hundreds of them talk through a
# real kernel to real peers: one that fails runs once more, and the log shows both runs.
test: deps
	@cmake -S . -B $(BUILD) -G Ninja -DSB_MATRIX=ON >/dev/null
	@cmake --build $(BUILD) --parallel $(JOBS)
	@cd $(BUILD) && ctest -j $(JOBS) --output-on-failure --repeat until-pass:2

# Only this build's tests.
quicktest: build
	@cd $(BUILD) && ctest -j $(JOBS) --output-on-failure -LE 'asan|nouring|build'

demo: build
	@/usr/bin/python3 scripts/demo.py --build $(BUILD)

bench: build
	@/usr/bin/python3 bench/bench.py --build $(BUILD) $(ARGS)

check: deps
	@scripts/check.sh

fuzz: deps
	@scripts/fuzz.sh $(BUILD) $(SECONDS) $(TARGETS)

soak: build
	@scripts/soak.sh $(BUILD) $(TIMES) $(SEEDS)

clean:
	@rm -rf $(BUILD)

SECONDS = 60
TIMES = 10

.PHONY: all deps build test quicktest demo bench check fuzz soak clean
