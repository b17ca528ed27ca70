import Exchanges
import WireGRPC

/// gRPC's texts and frames: nothing traps, cuts do not matter, and what is written can be read.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let all = UnsafeBufferPointer(start: start, count: count).span
    let input = all.extracting(1..<count)
    switch all[0] % 5 {
    case 0: frames(input, limit: Int(all[0]) * 4)
    case 1: timeout(input)
    case 2: message(input)
    case 3: binary(input)
    default: fields(input)
    }
    return 0
}

private struct Frames: Equatable {
    var messages: [[UInt8]] = []
    var end = ""
}

private func frames(_ input: borrowing Span<UInt8>, limit: Int) {
    let whole = read(input, limit: limit, step: max(1, input.count))
    precondition(whole == read(input, limit: limit, step: 1), "one piece and many pieces disagree")
    precondition(whole.messages.allSatisfy { $0.count <= limit })
}

private func read(_ input: borrowing Span<UInt8>, limit: Int, step: Int) -> Frames {
    var reader = GRPCMessageReader(limit: limit)
    var found = Frames()
    var at = 0
    while at < input.count {
        let piece = input.extracting(at..<min(input.count, at + step))
        var position = 0
        events: while true {
            switch reader.next(piece, at: &position) {
            case .needMore: break events
            case .message(let flags): found.messages.append([flags] + reader.message.copyReadable())
            case .failed(let fault):
                found.messages = found.messages.map { Array($0.dropFirst()) }
                found.end = "\(fault)"
                return found
            }
        }
        precondition(position == piece.count, "bytes were left")
        at += piece.count
    }
    found.messages = found.messages.map { Array($0.dropFirst()) }
    found.end = reader.isBetweenMessages ? "whole" : "truncated"
    return found
}

private func timeout(_ input: borrowing Span<UInt8>) {
    guard let milliseconds = GRPCTimeout.milliseconds(input) else { return }
    let text = Buffer(capacity: 16)
    GRPCTimeout.append(milliseconds: milliseconds, to: text)
    let back = text.withReadable { GRPCTimeout.milliseconds($0) } ?? 0
    precondition(back >= milliseconds && back - milliseconds <= milliseconds / 1000 + 1)
}

private func message(_ input: borrowing Span<UInt8>) {
    let text = Buffer(capacity: 64)
    GRPCMessageText.decode(input, into: text)
    precondition(text.count <= input.count)
    let value = Buffer(capacity: 64)
    GRPCMessageText.encode(input, into: value)
    let back = Buffer(capacity: 64)
    value.withReadable { GRPCMessageText.decode($0, into: back) }
    precondition(back.copyReadable() == input.bytes)
}

private func binary(_ input: borrowing Span<UInt8>) {
    let bytes = Buffer(capacity: 64)
    _ = GRPCBinary.decode(input, into: bytes)
    precondition(bytes.count <= input.count)
    let value = Buffer(capacity: 64)
    GRPCBinary.encode(input, into: value)
    let back = Buffer(capacity: 64)
    precondition(value.withReadable { GRPCBinary.decode($0, into: back) } && back.copyReadable() == input.bytes)
    var position = 0
    var members = 0
    while let member = GRPCBinary.nextValue(in: input, at: &position) {
        precondition(member.upperBound <= input.count)
        members += 1
    }
    precondition(members <= input.count + 1)
}

private func fields(_ input: borrowing Span<UInt8>) {
    var reader = ProtobufFieldReader()
    do throws(ProtobufFieldReader.Fault) {
        while let field = try reader.next(input) {
            if case .bytes(let slice) = field.value { precondition(slice.end <= input.count) }
        }
    } catch {}
}
