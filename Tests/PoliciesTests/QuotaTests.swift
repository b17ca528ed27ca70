import Exchanges
import Glibc
import Testing

@testable import Policies

@Suite struct QuotaTests {
    let second: UInt64 = 1_000_000_000
    private let hash = KeyedHash(1, 2)

    @Test func whatIsGivenBackCanBeHadAgain() {
        let table = LimitTable(keys: 64)
        let rate = LimitRate(requests: 10, periodNS: second, burst: 5)
        for _ in 0..<5 { #expect(table.decide(policy: 1, key: 1, now: second, rate: rate).isAllowed) }
        table.refund(policy: 1, key: 1, rate: rate, cost: 2)
        table.refund(policy: 1, key: 2, rate: rate, cost: 2)
        #expect(table.decide(policy: 1, key: 1, now: second, rate: rate, cost: 2).remaining == 0)
        #expect(!table.decide(policy: 1, key: 1, now: second, rate: rate).isAllowed)
    }

    /// GCRA with refunds against the definition: a bucket that fills evenly.
    @Test func ratesWithRefundsAgreeWithALeakyBucket() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<40 {
            let burst = UInt64.random(in: 1...20, using: &random)
            let interval = UInt64.random(in: 1...50, using: &random)
            let rate = LimitRate(intervalNS: interval, toleranceNS: interval * (burst - 1))
            let table = LimitTable(keys: 8)
            // Nanoseconds of credit.
            var credit = burst * interval
            var now: UInt64 = 10_000
            for _ in 0..<500 {
                let step = UInt64.random(in: 0...(interval * 2), using: &random)
                now += step
                credit = min(credit + step, burst * interval)
                let cost = UInt64.random(in: 1...2, using: &random)
                let decision = table.decide(policy: 0, key: 3, now: now, rate: rate, cost: UInt32(cost))
                #expect(decision.isAllowed == (cost * interval <= credit))
                guard decision.isAllowed else { continue }
                credit -= cost * interval
                #expect(decision.remaining == credit / interval)
                if Bool.random(using: &random) {
                    table.refund(policy: 0, key: 3, rate: rate, cost: UInt32(cost))
                    credit += cost * interval
                }
            }
        }
    }

    @Test func chargesRememberTheMostRestrictiveBudget() {
        var charges = Charges()
        #expect(charges.isEmpty && charges.shown == Charges.noBudget)
        charges.show(0, LimitDecision(isAllowed: true, remaining: 9, retryAfterNS: 0, resetNS: 1))
        charges.show(1, LimitDecision(isAllowed: true, remaining: 3, retryAfterNS: 0, resetNS: second + 1))
        charges.show(2, LimitDecision(isAllowed: true, remaining: 5, retryAfterNS: 0, resetNS: 1))
        #expect(charges.shown == 1 && charges.remaining == 3 && charges.seconds == 2)
        charges.showRefusal(by: 0, LimitDecision(isAllowed: false, remaining: 8, retryAfterNS: second, resetNS: 9 * second))
        #expect(charges.shown == 0 && charges.remaining == 8 && charges.seconds == 1)
        charges.clear()
        #expect(charges.shown == Charges.noBudget)
    }

    @Test func quotasGiveBackWhatTheyTook() {
        let quota = Quota(rates: LimitTable(keys: 64), concurrency: ConcurrencyTable(keys: 64))
        let window = WindowTable(keys: 64, requests: 1)
        let budgets = [
            Budget(policy: 1, measure: .rate(LimitRate(requests: 1, periodNS: second, burst: 1)), countsAcceptedOnly: false),
            Budget(policy: 2, measure: .window(table: 0, requests: 1, periodNS: second), countsAcceptedOnly: true),
            Budget(policy: 3, measure: .concurrent(1), countsAcceptedOnly: false),
        ]
        for _ in 0..<3 {
            var charges = Charges()
            for (i, budget) in budgets.enumerated() {
                let first = quota.charge(budget, UInt16(i), window: window, key: 5, now: second, cost: 1, &charges)
                #expect(first.isAllowed)
                var other = Charges()
                let again = quota.charge(budget, UInt16(i), window: window, key: 5, now: second, cost: 1, &other)
                #expect(!again.isAllowed && other.isEmpty && other.shown == UInt16(i))
                #expect(Quota.refusal(budget, again).code == .rateLimited && Quota.refusal(budget, again).retryAfterMS > 0)
            }
            #expect(charges.count == 3)
            for i in 0..<3 { quota.giveBack(charges[i], budgets[i], window: window) }
        }
    }

    @Test func waitsAreNeverTooShort() {
        let budget = Budget(policy: 0, measure: .rate(LimitRate(requests: 1, periodNS: second, burst: 1)), countsAcceptedOnly: false)
        func wait(_ nanoseconds: UInt64) -> UInt32 {
            Quota.refusal(budget, LimitDecision(isAllowed: false, remaining: 0, retryAfterNS: nanoseconds, resetNS: 0)).retryAfterMS
        }
        #expect(wait(1) == 1 && wait(1_000_000) == 1 && wait(1_000_001) == 2 && wait(.max) == 0 && wait(1 << 62) == .max)
    }

    @Test func keysOfDifferentKindsNeverMeet() {
        func key(_ make: (inout LimitKey) -> Void) -> UInt64 {
            var key = LimitKey()
            make(&key)
            return key.value
        }
        let bytes = [UInt8]("alice".utf8)
        let other = [UInt8]("alicf".utf8)
        let people = [
            Principal(kind: .user, issuer: [1], subject: bytes), Principal(kind: .user, issuer: [2], subject: bytes),
            Principal(kind: .service, issuer: [1], subject: bytes), Principal(kind: .user, issuer: [1], subject: other),
            Principal(kind: .user, issuer: [1, 0x61], subject: Array(bytes.dropFirst())),
        ]
        var keys = people.map { person in key { $0.add(person, hash) } }
        keys.append(key { $0.add(.header, bytes.span, hash) })
        keys.append(key { $0.add(.claim, bytes.span, hash) })
        keys.append(key { $0.add(.missing, 0, 0, hash) })
        keys.append(key { $0.add(.route, 0, 0, hash) })
        keys.append(key { $0.add(address: (0, 0xffff_7f00_0001), hash) })
        keys.append(key { $0.add(address: (0, 0xffff_7f00_0002), hash) })
        keys.append(key { $0.add(.route, 0, 0, hash); $0.add(.header, bytes.span, hash) })
        keys.append(key { $0.add(.header, bytes.span, hash); $0.add(.route, 0, 0, hash) })
        #expect(Set(keys).count == keys.count)
        #expect(key { $0.add(people[0], hash) } == keys[0])
        #expect(key { $0.add(address: (1, 2), hash) } == key { $0.add(address: (1, 3), hash) }, "one /64")
        #expect(key { $0.add(address: (1, 2), hash) } != key { $0.add(address: (2, 2), hash) })
    }

    /// More keys than there are places: memory stays within what the tables were made with.
    @Test func aMillionKeysMoreDoNotGrowMemory() {
        let rates = LimitTable(keys: 65_536)
        let windows = WindowTable(keys: 65_536, requests: 10)
        let rate = LimitRate(requests: 1, periodNS: 3600 * second, burst: 2)
        let sizes = (rates.capacity, windows.capacity)
        var now = second
        func hammer(_ keys: Range<UInt64>) {
            for key in keys {
                now += 10
                _ = rates.decide(policy: 1, key: key, now: now, rate: rate)
                _ = windows.decide(key: key, now: now, requests: 10, periodNS: 3600 * second)
            }
        }
        hammer(0..<200_000)
        let before = residentBytes()
        hammer(200_000..<1_200_000)
        let grown = residentBytes() - before
        #expect((rates.capacity, windows.capacity) == sizes && sizes == (65_536, 65_536))
        #expect(rates.evictions > 1_000_000 && windows.evictions > 1_000_000)
        // What is left of the tables' pages, and noise; a million more keys would take 160 MB.
        #expect(grown < 8 << 20, "grew by \(grown) bytes")
    }

    @Test func whatAChargeCosts() {
        let quota = Quota(rates: LimitTable(keys: 1_000_000), concurrency: ConcurrencyTable(keys: 262_144))
        let window = WindowTable(keys: 65_536, requests: 10)
        let user = Principal(kind: .user, issuer: Array("main".utf8), subject: Array("5f4dcc3b-aa76-4b1e-9d5c".utf8))
        let rate = Budget(policy: 1, measure: .rate(LimitRate(requests: 10_000_000, periodNS: second, burst: 1000)), countsAcceptedOnly: false)
        let rolling = Budget(policy: 2, measure: .window(table: 0, requests: 10, periodNS: 100), countsAcceptedOnly: false)
        let concurrent = Budget(policy: 3, measure: .concurrent(5), countsAcceptedOnly: false)
        var now = second
        func measure(_ name: String, _ budget: Budget, releases: Bool = false, key: (UInt64) -> UInt64) -> Double {
            let n: UInt64 = 200_000
            var allowed = 0
            let begin = threadNanoseconds()
            for i in 0..<n {
                now += 500
                var charges = Charges()
                let decision = quota.charge(budget, 0, window: window, key: key(i), now: now, cost: 1, &charges)
                if decision.isAllowed { allowed += 1 }
                if releases { quota.giveBack(charges[0], budget, window: nil) }
            }
            let cost = Double(threadNanoseconds() - begin) / Double(n)
            print("charge, \(name): \(cost) ns")
            #expect(allowed == n)
            return cost
        }
        let byAddress = measure("rate by address", rate) { i in
            var key = LimitKey()
            key.add(address: (0, 0xffff_0000_0000 | i & 1023), hash)
            return key.value
        }
        _ = measure("rate by principal", rate) { _ in
            var key = LimitKey()
            key.add(user, hash)
            return key.value
        }
        _ = measure("window", rolling) { $0 & 1023 }
        _ = measure("concurrent, taken and let go", concurrent, releases: true) { $0 & 1023 }
        #if !DEBUG
            #expect(byAddress < 300)
        #endif
    }
}

private func threadNanoseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Of this process.
private func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, 256, file) != nil else { return 0 }
    let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: " ")
    return (words.count > 1 ? Int(words[1]) ?? 0 : 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
}
