import Exchanges
import Pipeline
import WireGRPC

/// How a gRPC call ended, as its origin said it or as the gateway did.
struct CallStatus {
    var status: GRPCStatus
    /// For people; empty = nothing was said.
    var message: [UInt8] = []
    /// `google.rpc.Status`, serialised; empty = there is none.
    var details: [UInt8] = []

    init(_ status: GRPCStatus, _ message: StaticString) {
        self.status = status
        self.message = Array("\(message)".utf8)
    }

    init(_ outcome: Outcome) {
        self.init(GRPCStatus(outcome), outcome.detail)
    }

    /// What the head of an answer says of the end; nil = the end will say it. That is so for a call that has
    /// succeeded so far, and an answer that is no answer to a call is an end as well.
    init?(head: borrowing ReplyHead, in text: borrowing Span<UInt8>) {
        let isCall = head.first(.contentType).map { Dialect(contentType: text.extracting($0.value.range)) } == .grpc
        guard head.status == 200, isCall else {
            self.init(GRPCStatus(httpStatus: head.status), "the origin did not answer a gRPC call")
            return
        }
        var found: CallStatus?
        for field in head.fields where field.name == .other {
            CallStatus.take(text.extracting(field.nameText.range), text.extracting(field.value.range), &found)
        }
        guard let found else { return nil }
        self = found
    }

    /// What trailers say; whole lines.
    init(trailers: Buffer?) {
        var found: CallStatus?
        trailers?.withReadable { lines in
            var start = 0
            while start < lines.count {
                var end = start
                while end < lines.count, lines[end] != 0x0d { end += 1 }
                var colon = start
                while colon < end, lines[colon] != 0x3a { colon += 1 }
                let value = min(colon + 2, end)
                CallStatus.take(lines.extracting(start..<colon), lines.extracting(value..<end), &found)
                start = end + 2
            }
        }
        self = found ?? CallStatus(.unknown, "the origin did not say how the call ended")
    }

    private static func take(_ name: borrowing Span<UInt8>, _ value: borrowing Span<UInt8>, _ found: inout CallStatus?) {
        if name.equalsIgnoringCase("grpc-status") {
            var status = found ?? CallStatus(.unknown, "")
            status.status = value.decimal.flatMap { UInt32(exactly: $0) }.map { GRPCStatus(rawValue: $0) } ?? .unknown
            found = status
        } else if name.equalsIgnoringCase("grpc-message") {
            let text = Buffer(capacity: value.count + 1)
            GRPCMessageText.decode(value, into: text)
            var status = found ?? CallStatus(.unknown, "")
            status.message = text.copyReadable()
            found = status
        } else if name.equalsIgnoringCase("grpc-status-details-bin") {
            let bytes = Buffer(capacity: value.count + 1)
            guard GRPCBinary.decode(value, into: bytes) else { return }
            var status = found ?? CallStatus(.unknown, "")
            status.details = bytes.copyReadable()
            found = status
        }
    }
}
