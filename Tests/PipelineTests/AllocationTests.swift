import Exchanges
import Glibc
import Pipeline
import Policies
import Routes
import Testing
import WireHTTP

/// The request path makes no objects (rule 1 of the hot path). Counted, not timed, so it repeats:
/// the runtime's own hooks count every object, array and box this thread makes; the only memory that
/// is no object is that of the buffers, which must not grow. In a process of its own, because the
/// hooks are the process's.
@Suite struct AllocationTests {
    @Test func aRequestIsReadRoutedAdmittedAndWrittenWithoutAllocating() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            let path = RequestPath(table: try compile(routes))
            let requests = texts.map { Array($0.utf8) }
            // Until every list and buffer has its size.
            for _ in 0..<3 { for request in requests { path.serve(request) } }
            let before = path.memory
            let hasHooks = ObjectCount.begin()
            for _ in 0..<100 { for request in requests { path.serve(request) } }
            let objects = ObjectCount.end()
            let grown = path.memory - before
            // The instrument itself: a hundred arrays are a hundred objects.
            _ = ObjectCount.begin()
            var kept: [[Int]] = []
            kept.reserveCapacity(100)
            for i in 0..<100 { kept.append([i, path.served]) }
            let probe = ObjectCount.end()
            print("hooks \(hasHooks), served \(path.served), objects \(objects), grown \(grown), probe \(probe >= 100)")
            exit(0)
        }
        let said = String(decoding: try #require(result).standardOutputContent, as: UTF8.self)
        #expect(said.contains("hooks true, served 412, objects 0, grown 0, probe true"), "\(said)")
    }
}

private let routes = """
    routes:
      - name: product
        match: { path: "/api/products/{id}", method: GET }
        target: { cluster: up }
        stages: { shield: { requests: 1000000, per: 1s, burst: 1000000 } }
      - name: rest
        match: { path: "/{rest...}" }
        target: { cluster: up }
        stages: { collect: true }
    """

private let texts = [
    "GET /api/products/42?full=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: wrk\r\nAccept: */*\r\nX-A: b\r\n\r\n",
    "GET /api/%70roducts/./42 HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
    "DELETE /a/b/c HTTP/1.1\r\nHost: [::1]:8080\r\nTE: trailers\r\nCookie: a=b; c=d\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
]

/// Parse, normalise, match, admit, encode: the request path without its sockets.
private final class RequestPath {
    private let table: RouteTable
    private let stages = ScriptedStages()
    private let admission = Admission(limits: LimitTable(keys: 64), hash: KeyedHash())
    private let exchange = Exchange(ticket: Ticket(worker: 0, slot: 0, generation: 0))
    private let input = Buffer(capacity: 4096)
    private let output = Buffer(capacity: 4096)
    private(set) var served = 0

    init(table: RouteTable) { self.table = table }

    var memory: Int { input.capacity + output.capacity }

    func serve(_ request: [UInt8]) {
        input.append(request)
        var parser = HTTP1RequestParser()
        var framing = HTTP1Framing()
        var body = BodyFraming.none
        let progress = input.withReadable { text in
            parser.parse(text, into: &exchange.head, framing: &framing, body: &body, limits: HTTP1Limits())
        }
        guard case .complete(let length) = progress else { return }
        let path = input.withMutableReadable { text in PathNormalForm.normalise(exchange.head.path, in: &text) }
        guard let path else { return }
        exchange.head.path = path
        let match = input.withReadable { text in
            table.match(exchange.head, in: text, listener: 0, captures: &exchange.captures)
        }
        guard case .route(let number) = match else { return }
        exchange.route = number
        exchange.rule = table.rules[Int(number)]
        let admitted = admission.advance(exchange, table: table, peer: (0, 0xffff_7f00_0001), policy: number, now: 1 << 40, stages: stages)
        guard case .dispatch = admitted else { return }
        input.withReadable { text in
            output.append(exchange.head.method, of: text)
            output.append(0x20)
            table.pathRewrite(exchange.rule.pathRewrite, path: path, captures: exchange.captures, in: text, into: output)
            output.append(" HTTP/1.1\r\n" as StaticString)
            for field in exchange.head.fields where !ConnectionFields.always.contains(field.name) {
                HTTP1Encoder.field(field, of: text, into: output)
            }
        }
        HTTP1Encoder.crlf(output)
        output.consume(output.count)
        input.consume(length)
        exchange.recycle()
        served += 1
    }
}
