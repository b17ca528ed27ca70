import Seeded
import Settings
import Testing

@testable import Gateway

/// SPEC F-1: window 10, minimum 5, 50 %, open 10 s, half-open 3 that must all succeed.
struct CircuitBreakerTests {
    let rule = Settings.Cluster.Breaker()

    /// One call after another, each back at once; true = the breaker opened with it.
    func call(_ breaker: inout CircuitBreaker, _ result: CircuitBreaker.Result, _ nowMS: UInt64 = 0) -> Bool? {
        guard case .admitted(let life) = breaker.admit(rule, nowMS: nowMS) else { return nil }
        return breaker.ended(life, result, rule, nowMS: nowMS)
    }

    func opened(_ nowMS: UInt64 = 0) -> CircuitBreaker {
        var breaker = CircuitBreaker()
        for _ in 0..<5 { _ = call(&breaker, .failure, nowMS) }
        return breaker
    }

    @Test func fourFailuresAreTooFewAndTheFifthOpens() {
        var breaker = CircuitBreaker()
        #expect((0..<4).map { _ in call(&breaker, .failure) } == [false, false, false, false])
        #expect(breaker.state(nowMS: 0) == .closed)
        #expect(call(&breaker, .failure) == true && breaker.state(nowMS: 0) == .open)
    }

    @Test func halfOfTheWindowOpensAndLessDoesNot() {
        var breaker = CircuitBreaker()
        for result in [.success, .success, .success, .success, .success, .success, .failure, .failure, .failure, .failure]
            as [CircuitBreaker.Result]
        {
            #expect(call(&breaker, result) == false)
        }
        // Four of ten; the next failure pushes a success out.
        #expect(call(&breaker, .failure) == true)
    }

    @Test func onlyTheLastTenCount() {
        var breaker = CircuitBreaker()
        for _ in 0..<4 { _ = call(&breaker, .failure) }
        // The fifth call decides, whatever it came to itself.
        #expect(call(&breaker, .success) == true)
        var other = CircuitBreaker()
        for _ in 0..<10 { #expect(call(&other, .success) == false) }
        for _ in 0..<4 { #expect(call(&other, .failure) == false) }
        for _ in 0..<10 { #expect(call(&other, .success) == false) }
        for _ in 0..<4 { #expect(call(&other, .failure) == false) }
        #expect(call(&other, .failure) == true)
    }

    @Test func openRefusesForTenSecondsAndSaysHowLong() {
        var breaker = opened(1_000)
        #expect(breaker.admit(rule, nowMS: 1_000) == .refused(retryAfterMS: 10_000))
        #expect(breaker.admit(rule, nowMS: 10_999) == .refused(retryAfterMS: 1))
        #expect(breaker.state(nowMS: 10_999) == .open && breaker.state(nowMS: 11_000) == .halfOpen)
    }

    @Test func threeTrialsAndAllMustSucceed() {
        var breaker = opened()
        var lives: [CircuitBreaker.Life] = []
        for _ in 0..<3 {
            guard case .admitted(let life) = breaker.admit(rule, nowMS: 10_000) else { continue }
            lives.append(life)
        }
        #expect(lives.count == 3)
        guard case .refused = breaker.admit(rule, nowMS: 10_000) else {
            Issue.record("a fourth trial")
            return
        }
        #expect(!breaker.ended(lives[0], .success, rule, nowMS: 10_010) && !breaker.ended(lives[1], .success, rule, nowMS: 10_010))
        #expect(breaker.state(nowMS: 10_010) == .halfOpen)
        #expect(!breaker.ended(lives[2], .success, rule, nowMS: 10_020) && breaker.state(nowMS: 10_020) == .closed)
    }

    @Test func oneFailedTrialOpensAgainForTheWholeTime() {
        var breaker = opened()
        #expect(call(&breaker, .success, 10_000) == false && call(&breaker, .failure, 10_500) == true)
        #expect(breaker.state(nowMS: 20_499) == .open && breaker.state(nowMS: 20_500) == .halfOpen)
    }

    @Test func aTrialThatWasCutShortIsMadeAgain() {
        var breaker = opened()
        for _ in 0..<10 { #expect(call(&breaker, .unknown, 10_000) == false) }
        for _ in 0..<3 { #expect(call(&breaker, .success, 10_000) == false) }
        #expect(breaker.state(nowMS: 10_000) == .closed)
    }

    @Test func callsOfAnEarlierLifeDecideNothing() {
        var breaker = CircuitBreaker()
        guard case .admitted(let slow) = breaker.admit(rule, nowMS: 0) else { return }
        for _ in 0..<5 { _ = call(&breaker, .failure, 0) }
        #expect(!breaker.ended(slow, .failure, rule, nowMS: 10_001) && breaker.state(nowMS: 10_001) == .halfOpen)
        for _ in 0..<3 { _ = call(&breaker, .success, 10_001) }
        #expect(breaker.state(nowMS: 10_001) == .closed)
    }

    @Test func trialsThatNeverComeBackDoNotKeepItHalfOpenForEver() {
        var breaker = opened()
        for _ in 0..<3 { _ = breaker.admit(rule, nowMS: 10_000) }
        guard case .refused = breaker.admit(rule, nowMS: 19_999) else {
            Issue.record("too early")
            return
        }
        for _ in 0..<3 { #expect(call(&breaker, .success, 20_000) == false) }
        #expect(breaker.state(nowMS: 20_000) == .closed)
    }

    /// Against a plain model: a list of the last ten.
    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func itAgreesWithAListOfTheLastTen(_ seed: UInt64) {
        var random = Seeded(state: seed)
        var breaker = CircuitBreaker()
        var last: [Bool] = []
        var nowMS: UInt64 = 0
        for _ in 0..<20_000 {
            let failed = random.chance(3)
            let opens = call(&breaker, failed ? .failure : .success, nowMS)
            last = (last + [failed]).suffix(10)
            let expected = last.count >= 5 && last.count(where: { $0 }) * 2 >= last.count
            #expect(opens == expected)
            guard expected else { continue }
            nowMS += 10_000
            for _ in 0..<3 { _ = call(&breaker, .success, nowMS) }
            last = []
        }
    }
}
