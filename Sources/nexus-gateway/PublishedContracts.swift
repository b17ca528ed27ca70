import Contracts
import Gateway
import OpenAPI
import Settings

/// What clients were promised, against what the files say now.
enum PublishedContracts {
    /// Bytes of a published description.
    private static let limit = 16 << 20

    /// Reports every change that breaks somebody, as what it is to the asker.
    static func compare(
        _ configuration: Configuration, _ contracts: RouteContracts, _ severity: Diagnostic.Severity, _ diagnostics: Diagnostics
    ) {
        if let file = configuration.publishedAPI { compare(file, contracts.api, severity, diagnostics) }
        if let file = configuration.publishedDescriptors { compare(file, contracts.schema, severity, diagnostics) }
    }

    private static func compare(
        _ file: PlacedPath, _ api: APIDescription, _ severity: Diagnostic.Severity, _ diagnostics: Diagnostics
    ) {
        guard let text = FileBytes.read(path: file.path, atMost: limit, at: file.position, diagnostics) else { return }
        let published: JSONValue
        do throws(JSONError) {
            published = try JSONValue(text.span)
        } catch {
            return diagnostics.error(at: SourcePosition(file: file.path, offset: error.offset, in: text), "\(error.reason.text)")
        }
        guard published["openapi"]?.text?.hasPrefix("3.1.") == true else {
            return diagnostics.error(at: file.position, "'\(file.path)' is no description in OpenAPI 3.1: nexus-gateway openapi --output writes one")
        }
        for change in APIChanges.breaking(from: published, to: api.document) {
            report(
                severity, SourcePosition(file: "\(file.path)#\(change.pointer)"),
                change.text + "; or publish a new version (nexus-gateway openapi --output \(file.path))", diagnostics)
        }
    }

    private static func compare(
        _ file: PlacedPath, _ schema: ProtoSchema?, _ severity: Diagnostic.Severity, _ diagnostics: Diagnostics
    ) {
        let limits = ProtoSchemaLimits()
        guard let bytes = FileBytes.read(path: file.path, atMost: limits.bytes, at: file.position, diagnostics) else { return }
        let published: ProtoSchema
        do throws(ProtoSchemaError) {
            published = try ProtoSchema([ProtoDescriptorSet(name: file.path, bytes: bytes)], limits: limits)
        } catch {
            return diagnostics.error(at: file.position, "\(error)")
        }
        for change in ProtoChanges.breaking(from: published, to: schema) {
            report(
                severity, SourcePosition(file: "\(file.path)#\(change.symbol)"),
                change.text + "; or publish a new version (copy the descriptors to \(file.path))", diagnostics)
        }
    }

    private static func report(
        _ severity: Diagnostic.Severity, _ position: SourcePosition, _ message: String, _ diagnostics: Diagnostics
    ) {
        switch severity {
        case .error: diagnostics.error(at: position, message)
        case .warning: diagnostics.warning(at: position, message)
        }
    }
}
