// A cycle-accurate AXI memory and AXI4-Lite host: axi_memory.py and bus_model.py in C++, step for step, with
// the same names.
// Change the two together; a test holds their cycle counts equal.
//
// "generated.h" names the model's ports (get_<port>, set_<port>), their widths, and the numbers of base.py.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <tuple>
#include <vector>

#include "generated.h"

struct Event {
    uint64_t cycle, address;
    uint32_t channel, rule, response, unused;
};

struct ErrorRange {
    uint64_t start, stop, response;
};

struct Timing {
    uint64_t read_latency, write_latency, outstanding;
    uint64_t stall_threshold[CHANNELS], stall_state[CHANNELS];
    uint64_t error_count;
    const ErrorRange *errors;
};

class StallGenerator {
public:
    StallGenerator(const Timing &timing, unsigned channel)
        : threshold_(timing.stall_threshold[channel]), state_(timing.stall_state[channel]) {}

    bool operator()() {
        if (threshold_ == 0) return false;
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return (state_ >> 32) < threshold_;
    }

private:
    uint64_t threshold_, state_;
};

class EventLog {
public:
    void add(uint64_t cycle, uint32_t channel, uint32_t rule, uint64_t address = 0, uint32_t response = OKAY) {
        events.push_back({cycle, address, channel, rule, response, 0});
    }

    std::vector<Event> events;
};

template <typename Payload>
class StabilityCheck {
public:
    StabilityCheck(EventLog &log, uint32_t channel) : log_(log), channel_(channel) {}

    void reset() { waiting_ = false; }

    void step(uint64_t cycle, bool valid, bool ready, const Payload &payload, uint64_t address = 0) {
        if (waiting_ && !valid) {
            log_.add(cycle, channel_, VALID_DROPPED, address);
        } else if (waiting_ && !(payload == payload_)) {
            log_.add(cycle, channel_, PAYLOAD_CHANGED, address);
        }
        waiting_ = valid && !ready;
        if (waiting_) payload_ = payload;
    }

private:
    EventLog &log_;
    uint32_t channel_;
    bool waiting_ = false;
    Payload payload_{};
};

struct Burst {
    uint64_t address;
    uint32_t id;
    uint64_t beats;
    unsigned size;
    uint64_t due, done;
    uint32_t response;

    bool complete() const { return done == beats; }
    uint64_t aligned() const { return address & -(uint64_t{1} << size); }
    uint64_t beat_start() const { return done ? aligned() + (done << size) : address; }
    uint64_t beat_end() const { return aligned() + ((done + 1) << size); }
};

struct Beat {
    std::array<uint8_t, DATA_BYTES> data;
    uint64_t strobes;
    bool last;

    bool operator==(const Beat &other) const {
        return strobes == other.strobes && last == other.last && data == other.data;
    }
};

using Address = std::tuple<uint64_t, uint32_t, uint32_t, uint32_t, uint32_t>;

class AxiMemory {
public:
    AxiMemory(uint8_t *memory, uint64_t bytes, const Timing &timing, EventLog &log)
        : memory_(memory), bytes_(bytes), timing_(timing), log_(log),
          errors_(timing.errors, timing.errors + timing.error_count),
          stall_{{{timing, AR}, {timing, R}, {timing, AW}, {timing, W}, {timing, B}}} {}

    void reset() {
        reads_.clear();
        writes_.clear();
        beats_.clear();
        stable_ar_.reset();
        stable_aw_.reset();
        stable_w_.reset();
        arready_ = rvalid_ = rlast_ = awready_ = wready_ = bvalid_ = false;
        rid_ = rresp_ = bid_ = bresp_ = 0;
        rdata_.fill(0);
    }

    void step(uint64_t cycle, const Vdut &dut) {
        const Address ar{get_m_axi_araddr(dut), get_m_axi_arid(dut), get_m_axi_arlen(dut),
                         get_m_axi_arsize(dut), get_m_axi_arburst(dut)};
        const Address aw{get_m_axi_awaddr(dut), get_m_axi_awid(dut), get_m_axi_awlen(dut),
                         get_m_axi_awsize(dut), get_m_axi_awburst(dut)};
        Beat w{{}, get_m_axi_wstrb(dut), get_m_axi_wlast(dut) != 0};
        std::memcpy(w.data.data(), &dut.m_axi_wdata, DATA_BYTES);
        const bool arvalid = get_m_axi_arvalid(dut), awvalid = get_m_axi_awvalid(dut);
        const bool wvalid = get_m_axi_wvalid(dut);
        stable_ar_.step(cycle, arvalid, arready_, ar, std::get<0>(ar));
        stable_aw_.step(cycle, awvalid, awready_, aw, std::get<0>(aw));
        stable_w_.step(cycle, wvalid, wready_, w);
        if (arvalid && arready_) reads_.push_back(accept(cycle, AR, ar));
        if (rvalid_ && get_m_axi_rready(dut)) {
            rvalid_ = false;
            reads_.front().done++;
            if (reads_.front().complete()) reads_.pop_front();
        }
        if (awvalid && awready_) writes_.push_back(accept(cycle, AW, aw));
        if (wvalid && wready_) beats_.push_back(w);
        commit(cycle);
        if (bvalid_ && get_m_axi_bready(dut)) {
            bvalid_ = false;
            writes_.pop_front();
        }
        drive_reads(cycle);
        drive_writes(cycle);
    }

    void apply(Vdut &dut) const {
        set_m_axi_arready(dut, arready_);
        set_m_axi_rvalid(dut, rvalid_);
        std::memcpy(&dut.m_axi_rdata, rdata_.data(), DATA_BYTES);
        set_m_axi_rid(dut, rid_);
        set_m_axi_rresp(dut, rresp_);
        set_m_axi_rlast(dut, rlast_);
        set_m_axi_awready(dut, awready_);
        set_m_axi_wready(dut, wready_);
        set_m_axi_bvalid(dut, bvalid_);
        set_m_axi_bid(dut, bid_);
        set_m_axi_bresp(dut, bresp_);
    }

private:
    Burst accept(uint64_t cycle, uint32_t channel, const Address &request) {
        auto [address, id, length, size, burst] = request;
        if (burst != BURST_INCR) log_.add(cycle, channel, BURST_TYPE, address);
        if ((1u << size) > DATA_BYTES) {
            log_.add(cycle, channel, SIZE_TOO_WIDE, address);
            size = FULL_SIZE;
        }
        const Burst accepted{address, id, uint64_t{length} + 1, size, cycle + timing_.read_latency, 0, OKAY};
        const uint64_t end = accepted.aligned() + (accepted.beats << size);
        if (address >> 12 != (end - 1) >> 12) log_.add(cycle, channel, CROSSES_4K, address);
        return accepted;
    }

    void commit(uint64_t cycle) {
        if (beats_.empty()) return;
        for (Burst &burst : writes_) {
            while (!beats_.empty() && !burst.complete()) {
                write_beat(cycle, burst, beats_.front());
                beats_.pop_front();
                burst.due = cycle + timing_.write_latency;
            }
        }
    }

    void write_beat(uint64_t cycle, Burst &burst, const Beat &beat) {
        const uint64_t start = burst.beat_start(), end = burst.beat_end();
        const uint64_t word = start & -uint64_t{DATA_BYTES};
        const uint64_t lanes = low_bits(end - word) & ~low_bits(start - word);
        if (beat.strobes & ~lanes) log_.add(cycle, W, STROBE_OUTSIDE_LANES, start);
        const uint32_t response = respond(cycle, B, burst, start, end);
        burst.done++;
        if (beat.last != burst.complete()) log_.add(cycle, W, WLAST_MISPLACED, start);
        if (response != OKAY) return;
        for (unsigned lane = 0; lane < DATA_BYTES; lane++) {
            if (beat.strobes >> lane & 1) memory_[word + lane] = beat.data[lane];
        }
    }

    uint32_t respond(uint64_t cycle, uint32_t channel, Burst &burst, uint64_t start, uint64_t end) {
        uint32_t response = OKAY;
        if (end > bytes_) {
            response = DECERR;
        } else {
            for (const ErrorRange &error : errors_) {
                if (start < error.stop && end > error.start) {
                    response = error.response;
                    break;
                }
            }
        }
        if (response != OKAY && burst.response == OKAY) {
            burst.response = response;
            log_.add(cycle, channel, ERROR_RESPONSE, start, response);
        }
        return response;
    }

    void drive_reads(uint64_t cycle) {
        arready_ = reads_.size() < timing_.outstanding && !stall_[AR]();
        if (rvalid_ || reads_.empty() || reads_.front().due > cycle + 1) return;
        if (stall_[R]()) return;
        Burst &burst = reads_.front();
        rresp_ = respond(cycle, R, burst, burst.beat_start(), burst.beat_end());
        rdata_.fill(0);
        if (rresp_ == OKAY) {
            const uint64_t word = burst.beat_start() & -uint64_t{DATA_BYTES};
            std::memcpy(rdata_.data(), memory_ + word, DATA_BYTES);
        }
        rvalid_ = true;
        rid_ = burst.id;
        rlast_ = burst.done == burst.beats - 1;
    }

    void drive_writes(uint64_t cycle) {
        awready_ = writes_.size() < timing_.outstanding && !stall_[AW]();
        wready_ = beats_.size() < BEATS_AHEAD && !stall_[W]();
        if (bvalid_ || writes_.empty() || !writes_.front().complete()) return;
        if (writes_.front().due <= cycle + 1 && !stall_[B]()) {
            bvalid_ = true;
            bid_ = writes_.front().id;
            bresp_ = writes_.front().response;
        }
    }

    static uint64_t low_bits(uint64_t count) { return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }

    uint8_t *memory_;
    uint64_t bytes_;
    Timing timing_;
    EventLog &log_;
    std::vector<ErrorRange> errors_;
    std::array<StallGenerator, 5> stall_;
    std::deque<Burst> reads_, writes_;
    std::deque<Beat> beats_;
    StabilityCheck<Address> stable_ar_{log_, AR}, stable_aw_{log_, AW};
    StabilityCheck<Beat> stable_w_{log_, W};
    bool arready_ = false, rvalid_ = false, rlast_ = false, awready_ = false, wready_ = false, bvalid_ = false;
    uint32_t rid_ = 0, rresp_ = 0, bid_ = 0, bresp_ = 0;
    std::array<uint8_t, DATA_BYTES> rdata_{};
};

class RegisterMaster {
public:
    struct Result {
        uint32_t response, data;
    };

    RegisterMaster(const Timing &timing, EventLog &log) : log_(log), stall_(timing, REGISTERS) {}

    void reset() {
        wants_aw_ = wants_w_ = wants_b_ = wants_ar_ = wants_r_ = false;
        awvalid_ = wvalid_ = bready_ = arvalid_ = rready_ = false;
        stable_b_.reset();
        stable_r_.reset();
        result.reset();
        next_.reset();
        offset_ = awaddr_ = araddr_ = wdata_ = wstrb_ = 0;
    }

    void start(bool write, uint32_t offset, uint32_t value) {
        next_ = Access{write, offset, value};
        result.reset();
    }

    void step(uint64_t cycle, const Vdut &dut) {
        const bool bvalid = get_s_axil_bvalid(dut), rvalid = get_s_axil_rvalid(dut);
        const uint64_t bresp = get_s_axil_bresp(dut), rresp = get_s_axil_rresp(dut), rdata = get_s_axil_rdata(dut);
        stable_b_.step(cycle, bvalid, bready_, bresp, offset_);
        stable_r_.step(cycle, rvalid, rready_, {rdata, rresp}, offset_);
        end_request(awvalid_, wants_aw_, get_s_axil_awready(dut));
        end_request(wvalid_, wants_w_, get_s_axil_wready(dut));
        end_request(arvalid_, wants_ar_, get_s_axil_arready(dut));
        if (bvalid) take_response(cycle, wants_b_, wants_aw_ || wants_w_, bready_, bresp, rdata);
        if (rvalid) take_response(cycle, wants_r_, wants_ar_, rready_, rresp, rdata);
        begin();
        if (wants_aw_ && !awvalid_) awvalid_ = !stall_();
        if (wants_w_ && !wvalid_) wvalid_ = !stall_();
        if (wants_ar_ && !arvalid_) arvalid_ = !stall_();
        bready_ = wants_b_ && !stall_();
        rready_ = wants_r_ && !stall_();
    }

    void apply(Vdut &dut) const {
        set_s_axil_awaddr(dut, awaddr_);
        set_s_axil_awvalid(dut, awvalid_);
        set_s_axil_wdata(dut, wdata_);
        set_s_axil_wstrb(dut, wstrb_);
        set_s_axil_wvalid(dut, wvalid_);
        set_s_axil_bready(dut, bready_);
        set_s_axil_araddr(dut, araddr_);
        set_s_axil_arvalid(dut, arvalid_);
        set_s_axil_rready(dut, rready_);
    }

    std::optional<Result> result;

private:
    struct Access {
        bool write;
        uint32_t offset, value;
    };

    static void end_request(bool &valid, bool &wants, bool ready) {
        if (valid && ready) valid = wants = false;
    }

    void take_response(uint64_t cycle, bool &wants, bool requesting, bool ready, uint64_t response, uint64_t data) {
        if (!wants || requesting) {
            log_.add(cycle, REGISTERS, RESPONSE_UNASKED, offset_);
        } else if (ready) {
            wants = false;
            result = Result{uint32_t(response), uint32_t(data)};
        }
    }

    void begin() {
        if (!next_) return;
        offset_ = next_->offset;
        if (next_->write) {
            wants_aw_ = wants_w_ = wants_b_ = true;
            awaddr_ = offset_;
            wdata_ = next_->value;
            wstrb_ = 0b1111;
        } else {
            wants_ar_ = wants_r_ = true;
            araddr_ = offset_;
        }
        next_.reset();
    }

    EventLog &log_;
    StallGenerator stall_;
    StabilityCheck<uint64_t> stable_b_{log_, REGISTERS};
    StabilityCheck<std::tuple<uint64_t, uint64_t>> stable_r_{log_, REGISTERS};
    std::optional<Access> next_;
    bool wants_aw_ = false, wants_w_ = false, wants_b_ = false, wants_ar_ = false, wants_r_ = false;
    bool awvalid_ = false, wvalid_ = false, bready_ = false, arvalid_ = false, rready_ = false;
    uint32_t offset_ = 0, awaddr_ = 0, araddr_ = 0, wdata_ = 0, wstrb_ = 0;
};
