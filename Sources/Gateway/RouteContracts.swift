public import Contracts
import EventCore
import Exchanges
public import OpenAPI
import Pipeline
import Policies
public import Routes
public import Settings

/// What the contracts say of one generation's routes: which messages they carry, how JSON becomes a call,
/// by which field a flag is asked. Made and checked when the files are read.
public final class RouteContracts: Sendable {
    /// Nil = the configuration names no contracts.
    public let schema: ProtoSchema?
    /// Behind `Rule.call`.
    let calls: [CompiledCall]
    /// The methods of the schema as calls in JSON, by their index there.
    let methods: [CompiledCall]
    /// By route: how the event core answers its method; nil where it does not.
    let facades: [Facade?]
    /// By route: what its stage `inspect` wants; nil where it has none.
    let inspections: [Inspection?]
    /// By route: what it wants of JSON bodies; nil where it wants nothing.
    let bodies: [BodyInspection?]
    /// The public HTTP surface.
    public let api: APIDescription
    /// What the operation `openapi` answers, and the number of its entity tag.
    let apiReply: LocalReply
    let apiVersion: UInt64
    /// Behind `Rule.flag`.
    let steers: [Steer]
    /// Behind `Rule.steeringKey`.
    let steeringKeys: [SteeringKeys]

    /// Reads the sets of descriptors. - Returns: nil when there are none, or when one of them is of no use.
    public static func load(_ configuration: Configuration, _ diagnostics: Diagnostics) -> ProtoSchema? {
        var sets: [ProtoDescriptorSet] = []
        let limits = ProtoSchemaLimits()
        for file in configuration.descriptors {
            guard let bytes = FileBytes.read(path: file.path, atMost: limits.bytes, at: file.position, diagnostics) else {
                continue
            }
            sets.append(ProtoDescriptorSet(name: file.path, bytes: bytes))
        }
        guard let first = configuration.descriptors.first, sets.count == configuration.descriptors.count else { return nil }
        do throws(ProtoSchemaError) {
            return try ProtoSchema(sets, limits: limits)
        } catch {
            let place = configuration.descriptors.first { $0.path == error.file } ?? first
            diagnostics.error(at: place.position, "\(error)")
            return nil
        }
    }

    /// Compiles what the table's routes need. Check `diagnostics` before using it.
    public init(_ table: RouteTable, _ schema: ProtoSchema?, _ schemas: borrowing BodySchemas, _ diagnostics: Diagnostics) {
        self.schema = schema
        bodies = table.routes.map { BodyInspection($0, schemas) }
        api = APIDescription(table, APIDescription.Sources(schema: schema, commands: schemas.commandDocuments, files: schemas.fileDocuments))
        apiVersion = api.version
        apiReply = LocalReply(status: 200, body: api.text, fields: EntityTag.field(apiVersion))
        steers = table.flags.map { Steer($0) }
        var calls: [CompiledCall] = []
        var facades: [Facade?] = []
        var inspections: [Inspection?] = []
        var steeringKeys: [SteeringKeys] = []
        for route in table.routes {
            var method: Int?
            if let schema {
                let path = route.call?.path ?? (route.match.grpc ? route.match.path.text : "")
                method = schema.method(path: path.utf8Span.span)
                if let call = route.call, let method {
                    let captures = route.match.path.captureNames
                    calls.append(CompiledCall(call, method, captures, schema, diagnostics))
                }
            }
            facades.append(Facade(route, method, schema, diagnostics))
            inspections.append(Inspection(route, method, schema, diagnostics))
            if let steering = route.steering {
                steeringKeys.append(SteeringKeys(steering, route, method, schema, diagnostics))
            }
        }
        self.calls = calls
        self.facades = facades
        self.inspections = inspections
        self.steeringKeys = steeringKeys
        methods = schema.map { schema in schema.methods.indices.map { CompiledCall(whole: $0, schema) } } ?? []
    }
}
