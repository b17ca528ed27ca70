import Settings
import Testing

@testable import Routes

struct RepetitionTests {
    private func problems(_ target: String, _ replay: String, _ rest: String = "", match: String = "{ method: POST, path: /a }") -> [String] {
        let text = "routes:\n- name: a\n  match: \(match)\n  target: \(target)\n  stages: { replay: \(replay) }\n" + rest
        return compile(text).problems.map { $0.replacing("r.yaml:", with: "") }
    }

    @Test(arguments: ["required", "optional", "{ key: required, on_duplicate: reject }", "{ on_duplicate: replay }"])
    func commandsAreReplayed(_ replay: String) {
        #expect(problems("{ command: cart.add }", replay) == [])
    }

    @Test(arguments: [
        ("{ command: cart.add }", "{ on_unknown: retry }", "5:23: error: 'on_unknown' has no effect: the route never reaches a cluster"),
        ("{ query: cart.get }", "required", "5:21: error: 'replay' has no effect: query cart.get may be asked as often as one likes"),
        ("{ operation: live }", "optional", "5:21: error: 'replay' has no effect: operation live may be asked as often as one likes"),
        ("{ command: cart.add }", "always", "5:21: error: 'replay' must be one of required, optional, not 'always'"),
        ("{ command: cart.add }", "{ on_duplicate: refuse }", "5:37: error: 'on_duplicate' must be one of replay, reject, not 'refuse'"),
        ("{ command: cart.add }", "{ keys: required }", "5:23: error: unknown key 'keys' in the stage 'replay'"),
    ])
    func whatCannotBeHonouredIsRefused(_ target: String, _ replay: String, _ problem: String) {
        #expect(problems(target, replay).first?.hasPrefix(problem) == true, "\(problems(target, replay))")
    }

    @Test func clustersAreReplayed() {
        #expect(problems("{ cluster: catalogue }", "{ key: required, on_unknown: retry }") == [])
        #expect(problems("{ command: cart.add }", "optional", "  flag: f\n  fallback: { cluster: catalogue }\n") == [])
        #expect(problems("{ cluster: catalogue }", "{ key: required, on_unknown: retry }", "  flag: f\n  fallback: { command: cart.add }\n") == [])
        let query = problems("{ cluster: catalogue }", "optional", "  flag: f\n  fallback: { query: cart.get }\n")
        #expect(query.contains { $0.contains("'replay' has no effect: query cart.get may be asked as often as one likes") }, "\(query)")
    }

    @Test func safeMethodsAreWarnedOf() {
        let found = problems("{ command: cart.add }", "optional", match: "{ method: GET, path: /a }")
        #expect(found == ["5:21: warning: 'replay' on a route of safe methods: what changes nothing may be repeated anyway"])
    }
}
