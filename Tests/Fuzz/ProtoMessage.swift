import Contracts
import Exchanges
import ProtoSets

/// Descriptors, messages and JSON from the input: nothing crashes, and what is printed reads back and
/// prints the same.
///
/// The first byte chooses: 0 reads the rest as a descriptor set; odd reads it as a message, even as JSON, of
/// the sample type that the other bits count to.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let input = UnsafeBufferPointer(start: start, count: count).span
    let rest = input.extracting(1...)
    switch input[0] {
    case 0: descriptors(rest.bytes)
    case let odd where odd % 2 == 1: message(rest, type: Int(odd) >> 1)
    default: json(rest, type: Int(input[0]) >> 1)
    }
    return 0
}

private func descriptors(_ bytes: [UInt8]) {
    guard let schema = try? ProtoSchema([ProtoDescriptorSet(name: "input", bytes: bytes)]) else { return }
    for i in schema.files.indices { precondition(schema.withDependencies(i).last == i) }
    for i in schema.messages.indices { precondition(schema.message(named: schema.name(ofMessage: i)) == i) }
    for (i, method) in schema.methods.enumerated() { precondition(schema.method(path: method.path.utf8Span.span) == i) }
}

private func message(_ bytes: Span<UInt8>, type: Int) {
    let type = type % schema.messages.count
    if MessageCheck().fault(in: bytes, type: type, schema) != nil {
        precondition(MessageCheck(refusesUnknown: true).fault(in: bytes, type: type, schema) != nil, "who wants more takes more")
    }
    guard let text = printed(bytes, type) else { return }
    // Not always readable again: a required field may be missing, a Value printed as null.
    guard let again = written(text.span, type), let second = printed(again.span, type) else { return }
    guard let third = written(second.span, type).flatMap({ printed($0.span, type) }) else { fatalError("no way back") }
    precondition(second == third, "a printed message prints differently")
}

private func json(_ text: Span<UInt8>, type: Int) {
    let type = type % schema.messages.count
    guard let bytes = written(text, type) else { return }
    _ = printed(bytes.span, type)
}

private func printed(_ bytes: Span<UInt8>, _ type: Int) -> [UInt8]? {
    let out = Buffer(capacity: 64)
    out.append("before")
    do throws(ProtoJSONError) {
        try transcoder.appendJSON(message: bytes, type: type, schema, into: out)
    } catch {
        precondition(out.count == 6, "an error left something behind")
        return nil
    }
    out.consume(6)
    let text = out.copyReadable()
    precondition((try? JSONTape(text.span)) != nil || text.count > 1 << 20, "what was printed is no JSON")
    return text
}

private func written(_ text: Span<UInt8>, _ type: Int) -> [UInt8]? {
    let out = Buffer(capacity: 64)
    out.append("before")
    do throws(ProtoJSONError) {
        try transcoder.appendMessage(json: text, type: type, schema, into: out)
    } catch {
        precondition(out.count == 6, "an error left something behind")
        return nil
    }
    out.consume(6)
    return out.copyReadable()
}

private let schema = try! ProtoSchema([ProtoDescriptorSet(name: "samples", bytes: Samples.set)])
private nonisolated(unsafe) var transcoder = ProtoTranscoder()
