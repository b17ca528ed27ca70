import Exchanges
import Glibc
import Synchronization

@testable import Telemetry

func text(_ buffer: Buffer) -> String { buffer.withReadable { $0.text } }

func written(_ body: (Buffer) -> Void) -> String {
    let buffer = Buffer(capacity: 16)
    body(buffer)
    return text(buffer)
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// A fresh folder under the system's temporary one, removed by `removeFolder`.
func makeFolder() -> String {
    var template = Array("/tmp/nexus-telemetry-XXXXXX".utf8CString)
    return mkdtemp(&template).map { String(cString: $0) } ?? "/tmp"
}

func contents(_ path: String) -> String {
    let file = open(path, O_RDONLY)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var all: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65536)
    while true {
        let n = read(file, &piece, piece.count)
        guard n > 0 else { return String(decoding: all, as: UTF8.self) }
        all += piece.prefix(n)
    }
}

func nanoseconds(_ n: Int, _ body: (Int) -> Void) -> Double {
    var begin = timespec()
    var end = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin)
    for i in 0..<n { body(i) }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end)
    return Double((end.tv_sec - begin.tv_sec) * 1_000_000_000 + (end.tv_nsec - begin.tv_nsec)) / Double(n)
}

// The macros of Swift Testing cannot take a `Span` apart: these take text.
func trace(_ value: String) -> TraceContext? { TraceContext.parse(bytes(value).span) }
func members(_ value: String) -> Int? { TraceState.members(bytes(value).span) }
func chosen(_ accept: String) -> Exposition { Exposition.choose(accept: bytes(accept).span) }
func isAcceptable(_ id: String) -> Bool { Identifiers.isAcceptable(correlationID: bytes(id).span) }

final class Flag: Sendable {
    private let state = Atomic<Bool>(false)
    func raise() { state.store(true, ordering: .releasing) }
    var isUp: Bool { state.load(ordering: .acquiring) }
}
