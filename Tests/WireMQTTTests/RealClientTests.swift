import Testing
import WireMQTT

/// Packets as `mosquitto_pub` and `mosquitto_sub` 2.0.11 sent them.
@Suite struct RealClientTests {
    private static let packets: [(MQTTVersion, String, String)] = [
        (
            .v311, "102a00044d51545404ee003c00056465762d310006676f6e652f780003627965000475736572000470617373",
            "connect v311 true 60 [dev-1] [user] [112, 97, 115, 115] 0 65535 will [gone/x] [98, 121, 101] 1 true 0"
        ),
        (
            .v311, "35270017696f742f696e76656e746f72792f412d312f64656c746100017b2264656c7461223a2d317d",
            "publish 2 false true [iot/inventory/A-1/delta] 1 0 - [123, 34, 100, 101, 108, 116, 97, 34, 58, 45, 49, 125]"
        ),
        (.v311, "62020001", "acknowledgement 1 success"), (.v311, "e000", "disconnect success -"),
        (
            .v5,
            "105300044d51545405c4003c172100072600016100016222000927000111701100000e1000056465762d3112180000000503000a746578742f"
                + "706c61696e0004676f6e650003627965000475736572000470617373",
            "connect v5 false 60 [dev-1] [user] [112, 97, 115, 115] 3600 7 will [gone] [98, 121, 101] 0 false 5"
        ),
        (
            .v5,
            "325a0017696f742f696e76656e746f72792f412d312f64656c74610001322600016b0001760300106170706c69636174696f6e2f6a736f6e02"
                + "0000001e010108000672652f706c7909000263312300037b2264656c7461223a2d317d",
            "publish 1 false false [iot/inventory/A-1/delta] 1 3 30 [123, 34, 100, 101, 108, 116, 97, 34, 58, 45, 49, 125]"
        ),
        (.v5, "e00e000c110000003c26000164000165", "disconnect success 60"),
        (.v311, "101000044d5154540402003c000464617368", "connect v311 true 60 [dash] - - 0 65535"),
        (.v311, "820c00010003612f2b0200012302", "subscribe 1 0 [a/+] 2 [#] 2"), (.v311, "a209000200056f6c642f78", "unsubscribe 2 [old/x]"),
        (.v5, "101400044d5154540502003c03210001000464617368", "connect v5 true 60 [dash] - - 0 1"),
        (.v5, "82190001030bac02000a2473686172652f672f61090003622f2309", "subscribe 1 300 [$share/g/a] 9 [b/#] 9"),
        (.v5, "a2110002072600017500017600056f6c642f78", "unsubscribe 2 [old/x]"), (.v5, "40020007", "acknowledgement 7 success"),
    ]

    @Test(arguments: packets) func isRead(version: MQTTVersion, hex: String, expected: String) throws {
        let digits = Array(hex)
        let bytes = stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
        #expect(try account(bytes, try #require(frame(bytes)), version) == expected)
    }
}
