import Exchanges
import Pipeline

/// Copies of small request bodies, kept until the answer begins: a request that an upstream can be
/// shown not to have processed, or that may be repeated anyway, is then sent again although its body
/// has left the client's connection. Bounded for each body and for the worker; what does not fit is
/// not repeatable.
final class RequestReplay {
    /// Bytes of one body.
    static let largest = 16 * 1024
    /// Copies at a time; with `largest` the bound in bytes.
    static let most = 1024
    /// Copies kept for the next request.
    private static let spares = 256

    private var spare: [Buffer] = []
    private var lent = 0

    /// These bytes go to the origin now.
    func keep(_ bytes: borrowing Span<UInt8>, of exchange: Exchange) {
        guard !exchange.sent.isLost else { return }
        guard exchange.attempts < exchange.rule.retry.attempts, (exchange.requestBody.bytes ?? 0) <= Self.largest else {
            return lose(exchange)
        }
        let copy: Buffer
        if let begun = exchange.sent.kept {
            copy = begun
        } else {
            guard let fresh = take() else { return lose(exchange) }
            exchange.sent.kept = fresh
            copy = fresh
        }
        guard copy.count + bytes.count <= Self.largest else { return lose(exchange) }
        copy.append(bytes)
    }

    /// The end of the body goes to the origin now.
    func end(_ exchange: Exchange, trailers: Buffer?) {
        exchange.sent.isWhole = true
        if !exchange.sent.isLost { exchange.sent.trailers = trailers }
    }

    /// The request will not be sent again: an answer begins, or the exchange is over.
    func lose(_ exchange: Exchange) {
        exchange.sent.isLost = true
        guard let copy = exchange.sent.kept else { return }
        exchange.sent.kept = nil
        lent -= 1
        guard spare.count < Self.spares else { return }
        copy.clear()
        spare.append(copy)
    }

    private func take() -> Buffer? {
        guard lent < Self.most else { return nil }
        lent += 1
        return spare.popLast() ?? Buffer(capacity: 1024)
    }
}
