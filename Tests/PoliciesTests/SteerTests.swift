import Policies
import Testing

@Suite struct SteerTests {
    private func bucket(_ principal: String, _ flag: String = "use-event-sourced-cart") -> UInt16 {
        Steer(flag: flag).bucket(of: Array(principal.utf8).span)
    }

    /// Fixed by this test: a change would move users from one side to the other.
    @Test func theBucketOfAPrincipalNeverChanges() {
        let known = (bucket("user-1"), bucket("user-2"), bucket(""))
        #expect(known == (Self.pinned.0, Self.pinned.1, Self.pinned.2))
    }

    private static let pinned: (UInt16, UInt16, UInt16) = (2091, 8912, 6622)

    @Test(arguments: [100, 1_000, 2_500, 5_000, 7_500] as [UInt16])
    func theShareIsTheWeight(_ weight: UInt16) {
        let steer = Steer(flag: "use-event-sourced-checkout")
        let on = (0..<100_000).count { Steer.isOn(bucket: steer.bucket(of: Array("user-\($0)".utf8).span), weight: weight) }
        // Half a point either way, of 100,000.
        #expect(abs(on - Int(weight) * 10) <= 500, "\(on)")
    }

    @Test func itIsMonotonicAndAllOrNothingAtTheEnds() {
        for i in 0..<10_000 {
            let bucket = bucket("user-\(i)")
            #expect(bucket < Steer.buckets)
            #expect(!Steer.isOn(bucket: bucket, weight: 0) && Steer.isOn(bucket: bucket, weight: 10_000))
            if Steer.isOn(bucket: bucket, weight: 1_000) { #expect(Steer.isOn(bucket: bucket, weight: 2_500)) }
        }
    }

    @Test func flagsDealIndependently() {
        let both = (0..<20_000).count { bucket("u\($0)", "a") < 5_000 && bucket("u\($0)", "b") < 5_000 }
        #expect(abs(both - 5_000) < 400, "\(both)")
    }
}
