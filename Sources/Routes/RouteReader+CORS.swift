import Exchanges
import Settings

extension RouteReader {
    /// `cors`: which pages of other origins may use the route.
    func readCORS(_ fields: Fields, _ route: inout RouteDefinition) {
        guard let section = fields.fields("cors", "the CORS rules of a route"), case .map = section.value.shape else { return }
        var rules = CORSDefinition()
        rules.origins = readOrigins(section)
        rules.methods = readCORSMethods(section, route.match)
        rules.headers = readNames(section, "headers")
        rules.expose = readNames(section, "expose")
        rules.credentials = section.bool("credentials") ?? false
        rules.maxAge = readMaxAge(section)
        section.finish()
        if rules.credentials { checkCredentials(section, rules) }
        if route.match.grpc {
            rules.headers += CORSDefinition.callHeaders.filter { !rules.headers.contains($0) && !rules.headers.contains("*") }
            rules.expose += CORSDefinition.callExpose.filter { !rules.expose.contains($0) && !rules.expose.contains("*") }
        }
        checkOtherWriters(fields, route)
        route.cors = rules
    }

    private func readOrigins(_ section: Fields) -> [OriginPattern] {
        guard let given = section.strings("origins") else {
            diagnostics.error(at: section.position, "'cors' needs 'origins': which pages may use the route?")
            return []
        }
        if given.isEmpty { diagnostics.error(at: section.position(of: "origins"), "'origins' names no origin") }
        if given.count > 64 { diagnostics.error(at: section.position(of: "origins"), "a route names at most 64 origins") }
        var origins: [OriginPattern] = []
        for (text, position) in given {
            do {
                let origin = try OriginPattern(text)
                if origins.contains(origin) {
                    diagnostics.error(at: position, "the origin \(text) is named twice")
                } else {
                    origins.append(origin)
                }
            } catch {
                diagnostics.error(at: position, error.message)
            }
        }
        return origins
    }

    /// Default: the route's own.
    private func readCORSMethods(_ section: Fields, _ match: RouteMatch) -> [String] {
        let own = match.methods + (match.methods.contains("GET") && !match.methods.contains("HEAD") ? ["HEAD"] : [])
        guard let given = section.strings("methods") else { return own }
        if given.isEmpty { diagnostics.error(at: section.position(of: "methods"), "'methods' names no method") }
        var methods: [String] = []
        for (method, position) in given {
            let known = Verb.allCases.compactMap(\.token)
            if method != method.uppercased(), known.contains(method.uppercased()) {
                diagnostics.error(at: position, "methods have upper case: '\(method.uppercased())'")
            } else if ["CONNECT", "TRACE", "TRACK"].contains(method) {
                diagnostics.error(at: position, "browsers never send \(method)")
            } else if !own.isEmpty, !own.contains(method) {
                diagnostics.error(at: position, "this route does not take \(method)" + Spelling.hint(method, among: own))
            } else if own.isEmpty, !known.contains(method) {
                diagnostics.error(at: position, "unknown method '\(method)'" + Spelling.hint(method, among: known))
            } else if methods.contains(method) {
                diagnostics.error(at: position, "the method \(method) is named twice")
            } else {
                methods.append(method)
            }
        }
        return methods
    }

    private func readNames(_ section: Fields, _ key: String) -> [String] {
        let given = section.strings(key) ?? []
        if given.count > 64 { diagnostics.error(at: section.position(of: key), "'\(key)' names at most 64 headers") }
        var names: [String] = []
        for (text, position) in given {
            let name = text.lowercased()
            if !HeaderRules.isName(name) {
                diagnostics.error(at: position, "'\(text)' is not a header name")
            } else if names.contains(name) {
                diagnostics.error(at: position, "the header '\(name)' is named twice")
            } else {
                names.append(name)
            }
        }
        return names
    }

    private func readMaxAge(_ section: Fields) -> UInt32? {
        guard let age = section.milliseconds("max_age", in: 0...86_400_000) else { return nil }
        guard age % 1000 == 0 else {
            diagnostics.error(at: section.position(of: "max_age"), "'max_age' is counted in whole seconds")
            return nil
        }
        return age
    }

    /// With credentials a star is only a name like any other, which no browser asks for.
    private func checkCredentials(_ section: Fields, _ rules: CORSDefinition) {
        let stars = [
            ("origins", rules.origins.contains(where: \.isAny)), ("headers", rules.headers.contains("*")),
            ("expose", rules.expose.contains("*")),
        ]
        for (key, isStar) in stars where isStar {
            diagnostics.error(
                at: section.position(of: key), "browsers take no * together with credentials: name the \(key == "origins" ? key : "headers")")
        }
    }

    /// The fields of the CORS protocol have one writer.
    private func checkOtherWriters(_ fields: Fields, _ route: RouteDefinition) {
        func isOwn(_ name: String) -> Bool { name.hasPrefix("access-control-") }
        if let edit = route.responseEdits.first(where: { isOwn($0.name) }) {
            diagnostics.error(at: fields.position(of: "headers"), "'\(edit.name)' is written by 'cors' of this route")
        }
        for case .fixed(let answer) in route.targets {
            for header in answer.headers where isOwn(String(decoding: header.name, as: UTF8.self)) {
                diagnostics.error(
                    at: fields.position(of: "target"),
                    "'\(String(decoding: header.name, as: UTF8.self))' is written by 'cors' of this route")
            }
        }
    }
}
