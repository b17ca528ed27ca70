import Exchanges
import Settings

extension RouteReader {
    /// `rewrite: { path: … }` or `{ strip_prefix: … }`.
    func readRewrite(_ fields: Fields, _ route: inout RouteDefinition) {
        guard let section = fields.fields("rewrite", "the rewrite of a route") else { return }
        let path = section.value("path")
        let prefix = section.value("strip_prefix")
        section.finish()
        switch (path, prefix) {
        case (let value?, nil):
            guard let text = value.string("path", diagnostics) else { return }
            route.rewrite = readTemplate(text, at: value.position, for: route.match.path)
        case (nil, let value?):
            guard let text = value.string("strip_prefix", diagnostics) else { return }
            route.rewrite = readPrefix(text, at: value.position, for: route.match.path)
        default:
            diagnostics.error(at: section.position, "a rewrite is exactly one of path, strip_prefix")
        }
    }

    /// The result is in normal form again without being looked at: captures are whole segments of a
    /// path that was, and what is left (`{rest}`) may be empty only at the end.
    private func readTemplate(
        _ text: String, at position: SourcePosition, for match: PathTemplate
    ) -> RewriteDefinition? {
        guard let template = template(text, at: position, repeats: true) else { return nil }
        guard !template.isAsterisk else {
            diagnostics.error(at: position, "a path begins with /")
            return nil
        }
        var right = true
        for (i, segment) in template.segments.enumerated() {
            guard case .parameter(let name) = segment else {
                if case .rest(let name) = segment { right = isCapture(name, of: match, at: position) && right }
                continue
            }
            right = isCapture(name, of: match, at: position) && right
            if i < template.segments.count - 1, match.segments.contains(.rest(name)) {
                diagnostics.error(at: position, "{\(name)...} may be empty, so it can only stand at the end of a rewrite")
                right = false
            }
        }
        return right ? .template(template) : nil
    }

    private func isCapture(_ name: String, of match: PathTemplate, at position: SourcePosition) -> Bool {
        let names = match.captureNames
        if names.contains(name) { return true }
        diagnostics.error(
            at: position, "the path \(match) has no parameter '\(name)'" + Spelling.hint(name, among: names))
        return false
    }

    private func readPrefix(_ text: String, at position: SourcePosition, for match: PathTemplate) -> RewriteDefinition? {
        guard let prefix = template(text, at: position) else { return nil }
        guard text != "/", !text.hasSuffix("/"), prefix.captureNames.isEmpty, !prefix.isAsterisk else {
            diagnostics.error(at: position, "a prefix is literal and does not end with /: /api")
            return nil
        }
        guard match.segments.starts(with: prefix.segments) else {
            diagnostics.error(at: position, "the path \(match) does not begin with \(text)")
            return nil
        }
        return .stripPrefix(text)
    }

    /// `headers: { request: …, response: … }`.
    func readEdits(_ fields: Fields, _ route: inout RouteDefinition) {
        guard let section = fields.fields("headers", "the headers of a route") else { return }
        if let request = section.fields("request", "the request headers of a route") {
            route.requestEdits = readEdits(request)
        }
        if let response = section.fields("response", "the response headers of a route") {
            route.responseEdits = readEdits(response)
        }
        section.finish()
    }

    private func readEdits(_ section: Fields) -> [EditDefinition] {
        var edits: [EditDefinition] = []
        for (text, position) in section.strings("remove") ?? [] {
            guard let name = writableName(text, at: position) else { continue }
            keep(EditDefinition(kind: .remove, name: name, value: ""), at: position, in: &edits)
        }
        for kind in [HeaderEdit.Kind.set, .add] {
            guard let fields = section.fields("\(kind)", "'\(kind)' of the headers") else { continue }
            for (name, value, position) in readFields(fields) {
                keep(EditDefinition(kind: kind, name: name, value: value), at: position, in: &edits)
            }
        }
        section.finish()
        if edits.count > 64 { diagnostics.error(at: section.position, "a route changes at most 64 headers each way") }
        return edits
    }

    private func keep(_ edit: EditDefinition, at position: SourcePosition, in edits: inout [EditDefinition]) {
        if let other = edits.first(where: { $0.name == edit.name && ($0.kind == edit.kind || edit.kind != .add) }) {
            diagnostics.error(at: position, "the header '\(edit.name)' is already in '\(other.kind)'")
        } else {
            edits.append(edit)
        }
    }
}
