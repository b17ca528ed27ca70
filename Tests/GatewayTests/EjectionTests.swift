import Reactor
import Settings
import Synchronization
import Testing

@testable import Gateway

struct EjectionTests {
    static func rule(_ change: (inout Settings.Cluster.Ejection) -> Void = { _ in }) -> Settings.Cluster.Ejection {
        var made = Settings.Cluster.Ejection()
        change(&made)
        return made
    }

    func address(_ n: Int) -> SocketAddress { .v4(0x7f00_0001, port: UInt16(n)) }

    @Test func eachEjectionIsLongerUpToTheLongest() {
        var record = EjectionRecord()
        let rule = Self.rule()
        var now: UInt64 = 1_000
        var lengths: [UInt64] = []
        for _ in 0..<12 {
            let until = record.eject(rule, nowMS: now)
            lengths.append(until - now)
            now = until
        }
        #expect(lengths.prefix(3) == [30_000, 60_000, 90_000] && lengths.last == 300_000)
    }

    @Test func goodTimesAreRemembered() {
        var record = EjectionRecord()
        let rule = Self.rule()
        var now: UInt64 = 1_000
        for _ in 0..<3 { now = record.eject(rule, nowMS: now) }
        #expect(record.eject(rule, nowMS: now + 60_000) == now + 60_000 + 60_000)
        var other = EjectionRecord()
        #expect(other.eject(rule, nowMS: 0) == 30_000)
        #expect(other.eject(rule, nowMS: 86_400_000) == 86_400_000 + 30_000)
    }

    @Test func onlyFailuresInARowCount() {
        let state = ClusterState("up")
        let endpoint = state.endpoint(address(1), nowMS: 0)
        let rule = Self.rule { $0.maxPercent = 100 }
        for _ in 0..<10 {
            for _ in 0..<4 { _ = state.failed(endpoint, rule, of: 1, nowMS: 10) }
            endpoint.succeeded()
        }
        #expect(endpoint.standing.isAvailable(nowMS: 10) && state.ejections.load(ordering: .relaxed) == 0)
        for _ in 0..<5 { _ = state.failed(endpoint, rule, of: 1, nowMS: 10) }
        #expect(endpoint.standing.ejectedUntilMS == 30_010 && state.ejections.load(ordering: .relaxed) == 1)
    }

    @Test func noMoreThanSoManyAreEjectedAtOnce() {
        let state = ClusterState("up")
        let endpoints = (1...4).map { state.endpoint(address($0), nowMS: 0) }
        for endpoint in endpoints { for _ in 0..<20 { _ = state.failed(endpoint, Self.rule(), of: 4, nowMS: 10) } }
        #expect(endpoints.map { $0.standing.isAvailable(nowMS: 10) } == [false, false, true, true])
        // Their time is up: there is room for others again.
        for endpoint in endpoints { for _ in 0..<20 { _ = state.failed(endpoint, Self.rule(), of: 4, nowMS: 40_000) } }
        #expect(endpoints.count { !$0.standing.isAvailable(nowMS: 40_000) } == 2)
    }

    @Test func theOnlyEndpointIsNeverEjected() {
        let state = ClusterState("up")
        let endpoint = state.endpoint(address(1), nowMS: 0)
        for _ in 0..<100 { _ = state.failed(endpoint, Self.rule(), of: 1, nowMS: 10) }
        #expect(endpoint.standing.isAvailable(nowMS: 10))
    }

    @Test func whatIsKnownStaysAsLongAsTheEndpoint() {
        let upstreams = Upstreams()
        let state = upstreams.cluster("up")
        var endpoint: EndpointState? = state.endpoint(address(1), nowMS: 0)
        _ = endpoint?.setHealthy(false, nowMS: 5)
        #expect(upstreams.cluster("up") === state && state.endpoint(address(1), nowMS: 9) === endpoint)
        #expect(state.endpoint(address(2), nowMS: 0).standing.isHealthy)
        endpoint = nil
        #expect(state.endpoint(address(1), nowMS: 10).standing == Standing(sinceMS: 10))
    }

    @Test func aCheckThatFindsItWellEndsTheEjection() {
        let state = ClusterState("up")
        let endpoint = state.endpoint(address(1), nowMS: 0)
        endpoint.eject(Self.rule(), nowMS: 10)
        #expect(endpoint.setHealthy(false, nowMS: 20) && !endpoint.setHealthy(false, nowMS: 30))
        #expect(endpoint.setHealthy(true, nowMS: 40) && endpoint.standing == Standing(sinceMS: 40))
    }
}
