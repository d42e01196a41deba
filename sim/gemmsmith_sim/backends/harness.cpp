// A Verilated co-processor with its memory and its host behind a C interface for ctypes.
//
// One clock cycle, in the order that cocotb and Amaranth's simulator have too:
//   1. settle: the inputs driven after the last edge reach the combinational outputs (eval, clock low);
//   2. sample: the bus models read the outputs, and with the inputs still standing see which handshakes happen;
//   3. edge: the device's registers take the values of that same moment (eval, clock high);
//   4. drive: only now do the models' new inputs go to the device, as from a register on the same clock.
// An output that depends on an input combinationally is therefore sampled in the cycle of that input, and no
// input changes at the edge.
#include <algorithm>
#include <memory>

#include "bus_model.h"
#include "verilated.h"

namespace {

class Harness {
public:
    Harness(uint8_t *memory, uint64_t bytes, const Timing &timing)
        : memory_(memory, bytes, timing, log), registers(timing, log) {
        memory_.reset();
        registers.reset();
        apply();
    }

    ~Harness() { dut_->final(); }

    void step() {
        dut_->eval();
        irq = get_irq(*dut_);
        if (reset_left_) {
            check_reset();
            reset_left_--;
        } else {
            memory_.step(cycles, *dut_);
            registers.step(cycles, *dut_);
        }
        if (reset_wanted_) {
            reset_wanted_ = false;
            reset_left_ = RESET_CYCLES;
            memory_.reset();
            registers.reset();
        }
        cycles++;
        dut_->aclk = 1;
        dut_->eval();
        dut_->aclk = 0;
        apply();
    }

    void start_reset() { reset_wanted_ = true; }
    bool resetting() const { return reset_wanted_ || reset_left_; }

    uint64_t cycles = 0;
    bool irq = false;
    EventLog log;

private:
    void apply() {
        dut_->aresetn = reset_left_ == 0;
        memory_.apply(*dut_);
        registers.apply(*dut_);
    }

    void check_reset() {
        if (reset_left_ > 1) return;
        if (get_m_axi_arvalid(*dut_)) log.add(cycles, AR, VALID_IN_RESET);
        if (get_m_axi_awvalid(*dut_)) log.add(cycles, AW, VALID_IN_RESET);
        if (get_m_axi_wvalid(*dut_)) log.add(cycles, W, VALID_IN_RESET);
        if (get_s_axil_bvalid(*dut_) || get_s_axil_rvalid(*dut_)) log.add(cycles, REGISTERS, VALID_IN_RESET);
    }

    VerilatedContext context_;
    std::unique_ptr<Vdut> dut_ = std::make_unique<Vdut>(&context_);
    AxiMemory memory_;
    unsigned reset_left_ = RESET_CYCLES;
    bool reset_wanted_ = false;

public:
    RegisterMaster registers;
};

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT Harness *harness_create(uint8_t *memory, uint64_t bytes, const Timing *timing) {
    return new Harness(memory, bytes, *timing);
}

EXPORT void harness_destroy(Harness *harness) { delete harness; }

EXPORT uint64_t harness_cycles(const Harness *harness) { return harness->cycles; }

EXPORT void harness_run(Harness *harness, uint64_t cycles) {
    for (uint64_t i = 0; i < cycles; i++) harness->step();
}

EXPORT void harness_start_reset(Harness *harness) { harness->start_reset(); }

EXPORT void harness_finish_reset(Harness *harness) {
    while (harness->resetting()) harness->step();
}

// Returns 1 and the response and data of the access, or 0 if it has not ended after max_cycles.
EXPORT int harness_access(Harness *harness, int write, uint32_t offset, uint32_t value, uint64_t max_cycles,
                          uint32_t *response, uint32_t *data) {
    auto &registers = harness->registers;
    registers.start(write, offset, value);
    for (uint64_t i = 0; i < max_cycles && !registers.result; i++) harness->step();
    if (!registers.result) return 0;
    *response = registers.result->response;
    *data = registers.result->data;
    return 1;
}

// Returns the cycles until the interrupt, or 0 if it is still low after max_cycles.
EXPORT uint64_t harness_wait_interrupt(Harness *harness, uint64_t max_cycles) {
    for (uint64_t waited = 1; waited <= max_cycles; waited++) {
        harness->step();
        if (harness->irq) return waited;
    }
    return 0;
}

// Moves up to `room` of the oldest events to `events` and returns how many.
EXPORT uint64_t harness_take_events(Harness *harness, Event *events, uint64_t room) {
    auto &kept = harness->log.events;
    const uint64_t count = std::min<uint64_t>(room, kept.size());
    std::copy_n(kept.begin(), count, events);
    kept.erase(kept.begin(), kept.begin() + count);
    return count;
}
