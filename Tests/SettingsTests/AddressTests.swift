import Settings
import Testing

struct AddressTests {
    @Test(arguments: [
        ("127.0.0.1:8080", "127.0.0.1:8080"), ("[::1]:443", "[::1]:443"), ("[2001:DB8:0:0:1:0:0:1]:0", "[2001:db8::1:0:0:1]:0"),
        ("unix:/run/x.sock", "unix:/run/x.sock"), ("Catalogue.Internal.:80", "catalogue.internal:80"),
        ("my_service-1:65535", "my_service-1:65535"), ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
    ])
    func readsAndWritesBack(_ text: String, _ canonical: String) throws {
        #expect(try Address(text).description == canonical)
    }

    @Test(arguments: [
        "", ":", ":80", "host", "host:", "host:65536", "host:+1", "host:-1", "host: 80", "host:080808", "::1:80", "[::1]",
        "[::1]80", "[127.0.0.1]:80", "[name]:80", "127.1:80", "0x7f.1:80", "010.0.0.1:80", "256.0.0.1:80", "1.2.3:80",
        "-a:80", "a-:80", "a..b:80", ".a:80", "a b:80", "ä:80", "unix:", "unix:relative", "unix:/\(String(repeating: "x", count: 107))",
        "user@host:80", "host/path:80", "\(String(repeating: "a", count: 64)):80",
    ])
    func refuses(_ text: String) {
        #expect(throws: Address.Problem.self) { try Address(text) }
    }

    @Test func tellsLiteralsFromNames() throws {
        #expect(try Address("10.0.0.1:1") == .tcp(.literal(IPAddress(v4: 0x0a00_0001)), port: 1))
        #expect(try Address("ten:1") == .tcp(.name("ten"), port: 1))
    }
}

struct IPAddressTests {
    @Test(arguments: [
        ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("::", "::"), ("::1", "::1"), ("1::", "1::"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1:0:0:4:0:0:0:8", "1:0:0:4::8"), ("2001:DB8::00a", "2001:db8::a"),
        ("::ffff:1.2.3.4", "1.2.3.4"), ("64:ff9b::1.2.3.4", "64:ff9b::102:304"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"),
    ])
    func readsAndWritesBack(_ text: String, _ canonical: String) {
        #expect(IPAddress(text)?.description == canonical)
    }

    @Test(arguments: [
        "", ":", ":::", "1:::2", "::1::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2:3:4:5:6:7:8", "12345::", "g::", ":1",
        "1:", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "::1.2.3", "1.2.3.4::", "::1%eth0", " ::1", "1.2.3.4 ",
    ])
    func refuses(_ text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func everyAddressSurvivesItsOwnText() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            // Zero groups are what the folding is about, so make many of them.
            func half() -> UInt64 {
                (0..<4).reduce(0) { value, _ in value << 16 | (Bool.random() ? 0 : UInt64.random(in: 0...0xffff, using: &generator)) }
            }
            let address = IPAddress(high: half(), low: half())
            #expect(IPAddress(address.description) == address)
        }
    }
}

struct CIDRTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.255.255.255", true), ("10.0.0.0/8", "11.0.0.0", false), ("0.0.0.0/0", "255.1.2.3", true),
        ("0.0.0.0/0", "::1", false), ("192.168.1.1", "192.168.1.1", true), ("192.168.1.1/32", "192.168.1.2", false),
        ("192.168.1.128/25", "192.168.1.255", true), ("192.168.1.128/25", "192.168.1.127", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::", false), ("::/0", "::1", true),
        ("fd00::/8", "fdff::1", true), ("2001:db8::/65", "2001:db8::7fff:0:0:0", true),
        ("2001:db8::/65", "2001:db8::8000:0:0:0", false), ("::1/128", "::1", true),
    ])
    func contains(_ block: String, _ address: String, _ expected: Bool) throws {
        #expect(try #require(CIDR(block)).contains(try #require(IPAddress(address))) == expected)
    }

    @Test(arguments: ["10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "/8", "name/8", "::1/0", "1.2.3.4/8/8"])
    func refuses(_ text: String) {
        #expect(CIDR(text) == nil)
    }
}
