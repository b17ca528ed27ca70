import Settings
import Testing

struct QuantityTests {
    @Test(arguments: [
        ("0", 0), ("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("1h", 3_600_000), ("2d", 172_800_000), ("4294967295ms", UInt32.max),
    ])
    func durations(_ text: String, _ milliseconds: UInt32) {
        #expect(Quantity.milliseconds(text) == milliseconds)
    }

    @Test(arguments: [
        "", "10", "s", "-1s", "+1s", "1.5s", "1 s", "1S", "1sec", "4294967296ms", "50d", "99999999999999999999s", "18446744073709551615h", "١s",
    ])
    func noDurations(_ text: String) {
        #expect(Quantity.milliseconds(text) == nil)
    }

    @Test(arguments: [("0", 0), ("512", 512), ("8KiB", 8192), ("1MiB", 1 << 20), ("3GiB", 3 << 30)] as [(String, UInt64)])
    func sizes(_ text: String, _ bytes: UInt64) {
        #expect(Quantity.bytes(text) == bytes)
        #expect(Quantity.text(bytes: bytes) == text)
    }

    @Test(arguments: ["", "KiB", "8KB", "8k", "8kib", "8 KiB", "-1", "1.5MiB", "18446744073709551616", "18446744073709551615GiB"])
    func noSizes(_ text: String) {
        #expect(Quantity.bytes(text) == nil)
    }

    @Test func durationsSurviveTheirOwnText() {
        for value in [0, 1, 999, 1_000, 1_500, 60_000, 61_000, 3_600_000, 86_400_000, .max] as [UInt32] {
            #expect(Quantity.milliseconds(Quantity.text(milliseconds: value)) == value)
        }
    }
}
