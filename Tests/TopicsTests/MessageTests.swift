import Testing
import Topics
import WireMQTT

@Suite struct MessageTests {
    @Test func costCountsWhatItHolds() {
        let small = Message(topic: [0x61], payload: [], qos: .atMostOnce)
        let large = Message(topic: [0x61], payload: [UInt8](repeating: 0, count: 1000), qos: .atMostOnce)
        #expect(large.cost == small.cost + 1000)
    }
}
