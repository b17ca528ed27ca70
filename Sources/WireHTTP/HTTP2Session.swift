internal import CNghttp2
public import Exchanges

/// One HTTP/2 connection without its socket, either side: bytes in, calls out; calls in, bytes out.
/// nghttp2 keeps the frames, HPACK and windows; this adds the bounds it lacks (RFC 9113 section 10.5),
/// ties credit to consumption, and keeps pointers where they belong.
///
/// Neither `receive` nor `write` may be called from inside a handler.
public final class HTTP2Session {
    public enum Role: Sendable { case server, client }

    /// Who hears of the connection. The owner, which keeps this object, so not a reference to keep.
    public unowned(unsafe) var handler: (any HTTP2SessionHandler)?
    public let settings: HTTP2Settings
    let role: Role
    /// nghttp2's session; nil only when memory ran out at the start.
    let engine: OpaquePointer?
    /// What the engine's memory comes from; nil = from the system.
    private let memory: HTTP2Memory?
    let block = HTTP2Block()
    var open: [HTTP2Stream] = []
    var bounds: HTTP2Bounds
    /// Where `write` puts frames, while it runs.
    var sink: Unmanaged<Buffer>?
    var nowMS: UInt64 = 0
    var ending = HTTP2Ending()
    /// The stream windows before the SETTINGS frame that is being read.
    var windows = HTTP2Windows()
    let trailerBlock = HTTP2FieldBlock()
    /// The highest stream the peer has opened.
    var newest: Int32 = 0
    /// It was not refused for its number: what belongs to one that was may still come.
    var isNewestTaken = true
    var cut = HTTP2CutStreams()
    private var heads = HTTP2HeadCount()

    public convenience init(_ role: Role, settings: HTTP2Settings, handler: any HTTP2SessionHandler, nowMS: UInt64) {
        self.init(role, settings: settings, nowMS: nowMS)
        self.handler = handler
    }

    /// Follow with `handler`.
    /// - Parameters:
    ///   - nowMS: monotonic milliseconds, as for `receive`.
    ///   - memory: shared by the sessions of one thread; nil = the system's, where tests see every wrong access.
    public init(_ role: Role, settings: HTTP2Settings, nowMS: UInt64, memory: HTTP2Memory? = nil) {
        self.role = role
        self.memory = memory
        self.settings = settings
        self.nowMS = nowMS
        bounds = HTTP2Bounds(settings, role: role)
        var made: OpaquePointer?
        let callbacks = HTTP2Callbacks.table
        let options = HTTP2Callbacks.options
        // `self` is not complete yet; the pointer is set right after.
        switch (role, memory) {
        case (.server, nil): nghttp2_session_server_new2(&made, callbacks, nil, options)
        case (.client, nil): nghttp2_session_client_new2(&made, callbacks, nil, options)
        case (_, let memory?):
            var functions = memory.functions  // copied by the engine
            if role == .server {
                nghttp2_session_server_new3(&made, callbacks, nil, options, &functions)
            } else {
                nghttp2_session_client_new3(&made, callbacks, nil, options, &functions)
            }
        }
        engine = made
        guard let engine else { return }
        nghttp2_session_set_user_data(engine, Unmanaged.passUnretained(self).toOpaque())
        var entries = [
            nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: settings.streamWindow),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue), value: UInt32(clamping: settings.limits.head)),
        ]
        if role == .server {
            entries.append(
                nghttp2_settings_entry(
                    settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue), value: settings.maxConcurrentStreams))
        } else {
            entries.append(nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0))
        }
        nghttp2_submit_settings(engine, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
        nghttp2_session_set_local_window_size(
            engine, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, Int32(clamping: max(65_535, settings.connectionWindow)))
    }

    deinit {
        // Streams that are left hear nothing any more; their owners have been told by the connection's end.
        if let engine { nghttp2_session_del(engine) }
    }

    // MARK: - Bytes

    /// Takes what the peer sent. - Returns: false when nothing more can be understood or wanted: write
    /// what is left (a GOAWAY) and close.
    public func receive(_ bytes: borrowing Span<UInt8>, nowMS: UInt64) -> Bool {
        guard let engine else { return false }
        self.nowMS = nowMS
        if !bounds.admit(bytes, nowMS: nowMS) {
            terminate(.enhanceYourCalm)
            return false
        }
        let taken = bytes.withUnsafeBufferPointer { nghttp2_session_mem_recv(engine, $0.baseAddress, $0.count) }
        if taken < 0 {
            if taken == Int(NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue) || ending.isAsked { return false }
            terminate(taken == Int(NGHTTP2_ERR_FLOODED.rawValue) ? .enhanceYourCalm : .internalError)
            return false
        }
        return nghttp2_session_want_read(engine) != 0
    }

    /// Moves frames that wait to `out`, until it holds `limit` bytes. - Returns: true = more waits.
    public func write(into out: Buffer, upTo limit: Int) -> Bool {
        guard let engine else { return false }
        sink = .passUnretained(out)
        defer { sink = nil }
        while out.count < limit {
            var data: UnsafePointer<UInt8>?
            let n = nghttp2_session_mem_send(engine, &data)
            guard n > 0, let data else { return false }
            out.append(UnsafeBufferPointer(start: data, count: n).span)
        }
        return true
    }

    /// Nothing will be read or written any more.
    public var isOver: Bool {
        guard let engine else { return true }
        return nghttp2_session_want_read(engine) == 0 && nghttp2_session_want_write(engine) == 0
    }

    public var openStreams: Int { open.count }

    /// Streams the peer allows us to have open.
    public var mostPeerStreams: Int {
        guard let engine else { return 0 }
        return Int(clamping: nghttp2_session_get_remote_settings(engine, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS))
    }

    // MARK: - Messages out

    /// An interim answer (1xx).
    public func interim(_ stream: HTTP2Stream, _ head: HTTP2FieldBlock) {
        guard let engine, stream.id != 0, !stream.headDone else { return }
        _ = head.withPairs { nghttp2_submit_headers(engine, 0, stream.id, nil, $0, $1, nil) }
    }

    /// The answer's head. - Parameter ended: there is neither body nor trailers.
    public func respond(_ stream: HTTP2Stream, _ head: HTTP2FieldBlock, ended: Bool) {
        guard let engine, stream.id != 0, !stream.headDone else { return }
        stream.headDone = true
        if ended { stream.outboundEnded = true }
        let problem = head.withPairs(introduces: heads.introduces()) { pairs, n in
            if ended { return nghttp2_submit_response(engine, stream.id, pairs, n, nil) }
            var provider = HTTP2Callbacks.provider(for: stream)
            return nghttp2_submit_response(engine, stream.id, pairs, n, &provider)
        }
        if problem != 0 { reset(stream, .internalError) }
    }

    /// Opens a stream. - Returns: false = the connection takes no more streams (use another).
    public func request(_ stream: HTTP2Stream, _ head: HTTP2FieldBlock, ended: Bool) -> Bool {
        guard let engine, stream.id == 0, nghttp2_session_check_request_allowed(engine) != 0 else { return false }
        if ended { stream.outboundEnded = true }
        let user = Unmanaged.passUnretained(stream).toOpaque()
        let id = head.withPairs(introduces: heads.introduces()) { pairs, n in
            if ended { return nghttp2_submit_request(engine, nil, pairs, n, nil, user) }
            var provider = HTTP2Callbacks.provider(for: stream)
            return nghttp2_submit_request(engine, nil, pairs, n, &provider, user)
        }
        guard id > 0 else { return false }
        bounds.requestSent()
        keep(stream, id)
        return true
    }

    /// There is something in `outbound`, or its end has been said.
    public func resume(_ stream: HTTP2Stream) {
        guard let engine, stream.id != 0, stream.isDeferred else { return }
        stream.isDeferred = false
        nghttp2_session_resume_data(engine, stream.id)
    }

    /// Ends a stream at once; only the first reset of a stream counts. `streamClosed` follows, later.
    public func reset(_ stream: HTTP2Stream, _ error: HTTP2Error) {
        // The engine takes back a request that has not gone yet, but a second reset of it would go to the peer,
        // for which the stream is idle, and cost the whole connection (RFC 9113 section 5.1).
        guard let engine, stream.id != 0, !stream.isReset else { return }
        stream.isReset = true
        nghttp2_submit_rst_stream(engine, 0, stream.id, error.rawValue)
    }

    /// `n` received bytes of this stream have been used: the peer may send as many more.
    public func consumed(_ stream: HTTP2Stream, _ n: Int) {
        guard let engine, stream.id != 0 else { return }
        let n = min(n, stream.unused)
        guard n > 0 else { return }
        stream.unused -= n
        let settled = min(n, stream.stored)
        stream.stored -= settled
        nghttp2_session_consume_stream(engine, stream.id, n)
        if n > settled { nghttp2_session_consume_connection(engine, n - settled) }
    }

    /// `n` received bytes of this stream wait in memory of their own, which the stream's window bounds: from
    /// now on they hold up this stream, but not the others of the connection. Their `consumed` comes later.
    public func stored(_ stream: HTTP2Stream, _ n: Int) {
        guard let engine, stream.id != 0 else { return }
        let n = min(n, stream.unused - stream.stored)
        guard n > 0 else { return }
        stream.stored += n
        nghttp2_session_consume_connection(engine, n)
    }

    /// No new streams. - Parameter final: with the last id that was processed; otherwise 2^31-1, which
    /// only announces it (RFC 9113 section 6.8).
    public func goAway(_ error: HTTP2Error, final: Bool) {
        guard let engine else { return }
        if !final {
            nghttp2_submit_shutdown_notice(engine)
            return
        }
        let last = nghttp2_session_get_last_proc_stream_id(engine)
        nghttp2_submit_goaway(engine, 0, last, error.rawValue, nil, 0)
    }

    /// Ends the connection for the peer's fault: GOAWAY, and nothing after it.
    public func terminate(_ error: HTTP2Error) {
        guard let engine, !ending.isAsked else { return }
        ending.isAsked = true
        ending.error = error
        nghttp2_session_terminate_session(engine, error.rawValue)
    }

    /// The connection is gone: every stream that is open hears so, at once.
    public func abandon(_ error: HTTP2Error) {
        while let stream = open.last {
            if let engine { nghttp2_session_set_stream_user_data(engine, stream.id, nil) }
            let handler = stream.handler
            drop(stream)
            handler?.streamClosed(error)
        }
    }

    /// Asks the peer for a sign of life; its answer comes as any other frame.
    public func ping() {
        guard let engine else { return }
        nghttp2_submit_ping(engine, 0, nil)
    }

    /// Why the connection was ended by this side; nil = it was not.
    public var endedFor: HTTP2Error? { ending.isAsked ? ending.error : nil }

    // MARK: - Streams

    func keep(_ stream: HTTP2Stream, _ id: Int32) {
        stream.id = id
        stream.place = open.count
        if stream.keeper == nil { stream.keeper = stream.handler }
        open.append(stream)
    }

    func drop(_ stream: HTTP2Stream) {
        let place = stream.place
        guard place >= 0, place < open.count, open[place] === stream else { return }
        let last = open.removeLast()
        if last !== stream {
            open[place] = last
            last.place = place
        }
        // Credit of the connection that only this stream could have given back.
        let held = stream.unused - stream.stored
        if held > 0, let engine { nghttp2_session_consume_connection(engine, held) }
        stream.forget()
    }
}

/// Whether this side has ended the connection, and why.
struct HTTP2Ending {
    var isAsked = false
    var error = HTTP2Error.noError
}

/// Heads that have been sent. Fields that differ from message to message stay out of HPACK's table, but then a name that
/// is new to it is spelled out each time, which costs as much as the value; so now and then a head puts them in.
struct HTTP2HeadCount {
    private static let period: UInt32 = 256
    private var sent: UInt32 = 0

    mutating func introduces() -> Bool {
        sent &+= 1
        return sent % Self.period == 1
    }
}

/// What is known of our credit on streams just before the peer's settings change it.
struct HTTP2Windows {
    var largest: Int32 = 0
    var initial: UInt32 = 65_535
}

/// The streams that were last ended by a reset: what the peer sent before it knew may still come.
struct HTTP2CutStreams {
    private static let most = 128
    private var ids: [Int32] = []
    private var next = 0

    mutating func note(_ id: Int32) {
        if ids.count < Self.most {
            ids.append(id)
        } else {
            ids[next] = id
            next = (next + 1) % Self.most
        }
    }

    func contains(_ id: Int32) -> Bool { ids.contains(id) }
}
