import Contracts
import Exchanges
import Pipeline
import WireGRPC

/// A call of gRPC server reflection, v1 or v1alpha, which differ in their package only: which services there
/// are, and the descriptors of their messages. One answer to each question, in their order.
final class ReflectionCall: LocalCall {
    private let schema: ProtoSchema?
    private let services: [String]
    /// Files that went out in this call.
    private var told: Set<Int> = []

    init(_ worker: Worker, era: Era) {
        schema = era.contracts.schema
        services = era.services
        super.init(worker)
    }

    override func received(_ message: borrowing Span<UInt8>) {
        guard exchange?.calls("ServerReflectionInfo") == true else {
            return finish(Outcome(.unsupported, "the service has no such method"))
        }
        guard let question = ReflectionQuestion(message) else { return finish(.unreadableMessage) }
        var answer = ProtobufText()
        answer.add(1, question.host)
        answer.add(evenEmpty: 2, message.bytes)
        switch question.asked {
        case .services: answer.add(evenEmpty: 6, list())
        case .file(let name): add(schema?.file(named: name), "file", to: &answer)
        case .symbol(let name): add(schema?.file(declaring: name), "symbol", to: &answer)
        case .fileExtending(let name, let number):
            add(schema?.file(extending: name, number: number), "extension", to: &answer)
        case .extensions(let name):
            if let numbers = schema?.extensionNumbers(of: name) {
                var response = ProtobufText()
                response.add(1, Array(name.utf8))
                response.add(packed: 2, numbers.map { UInt64(truncatingIfNeeded: Int64($0)) })
                answer.add(evenEmpty: 5, response.bytes)
            } else {
                refuse(.notFound, "there is no such message", in: &answer)
            }
        case nil: refuse(.invalidArgument, "nothing is asked for", in: &answer)
        }
        say(answer.bytes)
    }

    override func requestEnded() { finish() }

    /// `ListServiceResponse`
    private func list() -> [UInt8] {
        var list = ProtobufText()
        for service in services {
            var entry = ProtobufText()
            entry.add(1, Array(service.utf8))
            list.add(evenEmpty: 1, entry.bytes)
        }
        return list.bytes
    }

    /// `FileDescriptorResponse`: the file first, then what it imports, without what the client has already.
    private func add(_ file: Int?, _ what: String, to answer: inout ProtobufText) {
        guard let schema, let file else { return refuse(.notFound, "there is no such \(what)", in: &answer) }
        var response = ProtobufText()
        response.add(evenEmpty: 1, schema.files[file].bytes)
        told.insert(file)
        for other in schema.withDependencies(file) where told.insert(other).inserted {
            response.add(evenEmpty: 1, schema.files[other].bytes)
        }
        answer.add(evenEmpty: 4, response.bytes)
    }

    /// `ErrorResponse`: the call goes on.
    private func refuse(_ status: GRPCStatus, _ why: String, in answer: inout ProtobufText) {
        var error = ProtobufText()
        error.add(1, UInt64(status.rawValue))
        error.add(2, Array(why.utf8))
        answer.add(evenEmpty: 7, error.bytes)
    }
}

/// `ServerReflectionRequest`
struct ReflectionQuestion {
    enum Asked {
        case services
        case file(String)
        case symbol(String)
        case fileExtending(String, number: Int32)
        case extensions(String)
    }

    var host: [UInt8] = []
    /// The last one, if there are several: they are a oneof.
    var asked: Asked?

    /// Nil = it cannot be read.
    init?(_ message: borrowing Span<UInt8>) {
        var fields = ProtobufFieldReader()
        do throws(ProtobufFieldReader.Fault) {
            while let field = try fields.next(message) {
                guard case .bytes(let place) = field.value else { continue }
                let text = message.extracting(place.range)
                switch field.number {
                case 1: host = text.bytes
                case 3: asked = .file(text.text)
                case 4: asked = .symbol(text.text)
                case 5: asked = try Self.fileExtending(text)
                case 6: asked = .extensions(text.text)
                case 7: asked = .services
                default: break
                }
            }
        } catch {
            return nil
        }
    }

    /// `ExtensionRequest`
    private static func fileExtending(_ message: borrowing Span<UInt8>) throws(ProtobufFieldReader.Fault) -> Asked {
        var fields = ProtobufFieldReader()
        var name = ""
        var number: Int32 = 0
        while let field = try fields.next(message) {
            switch (field.number, field.value) {
            case (1, .bytes(let place)): name = message.extracting(place.range).text
            case (2, .varint(let value)): number = Int32(truncatingIfNeeded: value)
            default: break
            }
        }
        return .fileExtending(name, number: number)
    }
}
