import Settings
import Testing

@Suite struct AccessSettingsTests {
    private func read(_ text: String) -> (settings: AccessSettings, problems: [String]) {
        let diagnostics = Diagnostics()
        let clusters = "clusters: { opa: { endpoints: 127.0.0.1:1 } }\n"
        let configuration = Document.parse(clusters + text, file: "a.yaml", diagnostics).map { Configuration.read($0, diagnostics) }
        return (configuration?.access ?? AccessSettings(), diagnostics.sorted.map { "\($0)".replacing("a.yaml:2:", with: "") })
    }

    @Test func nothingSaidIsTheDefaults() {
        #expect(read("") == (AccessSettings(), []))
        #expect(read("access: { opa: off }") == (AccessSettings(), []))
        #expect(AccessSettings().policies == ["config/policies"] && AccessSettings().opa == nil)
    }

    @Test func everyKeyIsRead() throws {
        let (access, problems) = read(
            "access: { policies: [a, b.yaml], opa: { cluster: opa, path: /v1/data/x, timeout: 1s, cache: 0, cache_entries: 7, pending: 8 } }")
        #expect(problems == [])
        #expect(access.policies == ["a", "b.yaml"])
        var opa = AccessSettings.OPA(cluster: "opa", path: "/v1/data/x")
        (opa.timeout, opa.cache, opa.cacheEntries, opa.pending) = (1000, 0, 7, 8)
        #expect(access.opa == opa)
        let plain = try #require(read("access: { opa: { cluster: opa, path: /v1/data/x } }").settings.opa)
        #expect(plain.timeout == 200 && plain.cache == 5000 && plain.cacheEntries == 10_000 && plain.pending == 1000)
    }

    @Test(arguments: [
        ("access: { policy: x }", "11: error: unknown key 'policy' in the access policies"),
        ("access: { policies: [] }", "11: error: 'policies' names no folder and no file"),
        ("access: { opa: on }", "16: error: the OPA must be a map, not 'on'"),
        ("access: { opa: {} }", "16: error: the OPA needs 'cluster', or write 'opa: off'"),
        ("access: { opa: { cluster: opa } }", "16: error: the OPA needs 'path', or write 'opa: off'"),
        ("access: { opa: { cluster: op, path: /x } }", "27: error: there is no cluster 'op' (did you mean 'opa'?)"),
        ("access: { opa: { cluster: opa, path: v1 } }", "38: error: 'path' must be a path such as /v1/data/nexus/allow, without a query, not 'v1'"),
        ("access: { opa: { cluster: opa, path: \"/a?b\" } }", "38: error: 'path' must be a path such as /v1/data/nexus/allow, without a query, not '/a?b'"),
        ("access: { opa: { cluster: opa, path: /x, timeout: 0 } }", "51: error: 'timeout' must be from 1ms to 10s, not 0"),
        ("access: { opa: { cluster: opa, path: /x, cache: 5 } }", "49: error: 'cache' must be a duration such as 250ms, 10s, 5m or 1h, not '5'"),
        ("access: { opa: { cluster: opa, path: /x, cache_entries: 0 } }", "57: error: 'cache_entries' must be from 1 to 1000000, not 0"),
        ("access: { opa: { cluster: opa, path: /x, pending: 5000 } }", "51: error: 'pending' must be from 1 to 4096, not 5000"),
        ("access: { opa: { cluster: opa, path: /x, retries: 1 } }", "42: error: unknown key 'retries' in the OPA"),
    ])
    func mistakes(_ text: String, _ problem: String) {
        let problems = read(text).problems
        #expect(problems.contains(problem), "\(problems)")
    }
}
