import Settings
import Testing

@Suite struct LimitSettingsTests {
    private func read(_ text: String) -> (settings: LimitSettings, problems: [String]) {
        let diagnostics = Diagnostics()
        let configuration = Document.parse(text, file: "limits.yaml", diagnostics).map { Configuration.read($0, diagnostics) }
        return (configuration?.limits ?? LimitSettings(), diagnostics.sorted.map { "\($0)".replacing("limits.yaml:", with: "") })
    }

    private func budget(_ rest: String) -> (budget: LimitSettings.Budget?, problems: [String]) {
        let (settings, problems) = read("limits: { budgets: [{ name: mine, \(rest) }] }")
        return (settings.budget("mine"), problems)
    }

    @Test func nothingSaidIsTheDefaults() {
        #expect(read("") == (LimitSettings(), []))
        #expect(read("limits: {}") == (LimitSettings(), []))
        #expect(read("limits: { default: off }") == (LimitSettings(), []))
        #expect(LimitSettings().budget("orders-accepted")?.measure == .window(10, per: 3_600_000))
    }

    @Test func everyKeyIsRead() {
        let (rate, none) = budget(
            "requests: 5, per: 2s, burst: 3, algorithm: gcra, count: accepted, by: [route, { header: X-Api-Key }, address], "
                + "missing: share, legacy_headers: true")
        #expect(none == [])
        #expect(rate?.measure == .rate(5, per: 2000, burst: 3) && rate?.countsAcceptedOnly == true)
        #expect(rate?.by == [.route, .header("x-api-key"), .address])
        #expect(rate?.missing == .share && rate?.legacyHeaders == true)
        #expect(budget("requests: 5, per: 1h, algorithm: window, by: address").budget?.measure == .window(5, per: 3_600_000))
        let identity = "identity: { issuers: [{ name: a, issuer: \"https://a.example/\", audiences: [a], algorithms: [ES256], keys: { file: k }, claims: [tenant] }] }\n"
        let (claims, fine) = read(identity + "limits: { budgets: [{ name: mine, concurrent: 1, by: { claim: tenant } }] }")
        #expect(fine == [] && claims.budget("mine")?.by == [.claim("tenant")])
        #expect(budget("concurrent: 7").budget?.measure == .concurrent(7))
        #expect(budget("requests: 5, per: 2s").budget?.measure == .rate(5, per: 2000, burst: 5))
    }

    @Test func budgetsAreAddedToTheBuiltInOnesOrTakeTheirPlace() {
        let (settings, problems) = read("limits: { keys: 8, budgets: [{ name: queries, requests: 1, per: 1s }, { name: b, concurrent: 1 }], default: b }")
        #expect(problems == [])
        #expect(settings.budgets.map(\.name) == LimitSettings().budgets.map(\.name) + ["b"])
        #expect(settings.budget("queries")?.measure == .rate(1, per: 1000, burst: 1))
        #expect(settings.keys == 8 && settings.standard == "b")
    }

    @Test(arguments: [
        ("limits: { key: 9 }", "1:11: error: unknown key 'key' in the limits (did you mean 'keys'?)"),
        ("limits: { keys: 1 }", "1:17: error: 'keys' must be from 8 to 16777216, not 1"),
        ("limits: { default: querys }", "1:20: error: there is no budget 'querys' (did you mean 'queries'?)"),
        ("limits: { budgets: [{ requests: 1, per: 1s }] }", "1:21: error: a budget needs a name"),
        ("limits: { budgets: [{ name: A, concurrent: 1 }] }", "1:29: error: the name of a budget must be 1 to 64 of a-z, 0-9 and -, not 'A'"),
        ("limits: { budgets: [{ name: a, concurrent: 1 }, { name: a, concurrent: 1 }] }", "1:49: error: the budget 'a' is already defined at limits.yaml:1:21"),
    ])
    func aMistakeIsToldAtItsPlace(_ text: String, _ problem: String) {
        #expect(read(text).problems.first == problem.replacing("limits.yaml:", with: ""))
    }

    @Test(arguments: [
        ("requests: 1", "21: error: a budget needs 'per', or 'concurrent' alone"),
        ("requests: 0, per: 1s", "45: error: 'requests' must be from 1 to 1000000000, not 0"),
        ("requests: 1001, per: 1s, algorithm: window", "45: error: 'requests' must be from 1 to 1000, not 1001"),
        ("requests: 2, per: 1s, algorithm: window, burst: 2", "76: error: a window has no 'burst': all of its requests may come at once"),
        ("requests: 1, per: 1s, algorithm: leaky", "68: error: 'algorithm' must be one of gcra, window, not 'leaky'"),
        ("requests: 1000000000, per: 1ms", "35: error: more than one request a nanosecond is no limit"),
        ("concurrent: 1, per: 1s", "50: error: a budget is either 'concurrent' or a rate: remove 'per'"),
        ("concurrent: 1, count: all", "50: error: 'count' has no meaning for what is limited at once: it is given back in any case"),
        ("concurrent: 1, by: peer", "54: error: 'by' must be one of address, principal, route, not 'peer'"),
        ("concurrent: 1, by: []", "54: error: 'by' names nothing"),
        ("concurrent: 1, by: [route, route]", "62: error: 'by' names this twice"),
        ("concurrent: 1, by: { header: \"a b\" }", "56: error: 'a b' is not a header's name"),
        ("concurrent: 1, by: { claim: a, header: b }", "54: error: 'by' is address, principal, route, { header: NAME } or { claim: NAME }"),
        ("concurrent: 1, by: { claim: a }", "50: error: no issuer of `identity` has 'a' among its 'claims': nobody would ever have it"),
        ("concurrent: 1, missing: ignore", "59: error: 'missing' must be one of address, refuse, share, not 'ignore'"),
    ])
    func aBudgetsMistakeIsToldAtItsPlace(_ rest: String, _ problem: String) {
        #expect(budget(rest).problems.first == "1:" + problem)
    }
}
