internal import CNghttp2
internal import Exchanges

/// The C side of a session: nghttp2's callbacks, each of which finds its session and stream by the
/// pointers that were left with it. They are valid because a session outlives its engine's calls and
/// keeps every open stream in `open`.
enum HTTP2Callbacks {
    /// Made once, read by every session on every thread, never changed or freed.
    nonisolated(unsafe) static let table: OpaquePointer? = {
        var made: OpaquePointer?
        nghttp2_session_callbacks_new(&made)
        guard let made else { return nil }
        nghttp2_session_callbacks_set_on_begin_frame_callback(made, onBeginFrame)
        nghttp2_session_callbacks_set_on_begin_headers_callback(made, onBeginHeaders)
        nghttp2_session_callbacks_set_on_header_callback(made, onHeader)
        nghttp2_session_callbacks_set_on_invalid_header_callback(made, onInvalidHeader)
        nghttp2_session_callbacks_set_on_frame_recv_callback(made, onFrame)
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, onData)
        nghttp2_session_callbacks_set_on_frame_send_callback(made, onFrameSent)
        nghttp2_session_callbacks_set_on_stream_close_callback(made, onStreamClose)
        nghttp2_session_callbacks_set_send_data_callback(made, sendData)
        return made
    }()

    /// Likewise.
    nonisolated(unsafe) static let options: OpaquePointer? = {
        var made: OpaquePointer?
        nghttp2_option_new(&made)
        guard let made else { return nil }
        // Credit follows consumption.
        nghttp2_option_set_no_auto_window_update(made, 1)
        // Closed streams would be kept for a priority tree nobody asks about.
        nghttp2_option_set_no_closed_streams(made, 1)
        nghttp2_option_set_max_reserved_remote_streams(made, 0)
        // Answers' heads may be as large as HTTP/1.1 ones.
        nghttp2_option_set_max_send_header_block_length(made, 1 << 20)
        // Resets are bounded by the listener's own numbers; the engine's (1,000, then 33 a second) would come first.
        nghttp2_option_set_stream_reset_rate_limit(made, 1 << 40, 1 << 40)
        return made
    }()

    /// Where the engine asks for a stream's body.
    static func provider(for stream: HTTP2Stream) -> nghttp2_data_provider {
        nghttp2_data_provider(
            source: nghttp2_data_source(ptr: Unmanaged.passUnretained(stream).toOpaque()), read_callback: readData)
    }

    private static let fatal = Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)

    @inline(__always)
    private static func session<R>(_ user: UnsafeMutableRawPointer?, _ body: (HTTP2Session) -> R) -> R? {
        guard let user else { return nil }
        return Unmanaged<HTTP2Session>.fromOpaque(user)._withUnsafeGuaranteedRef(body)
    }

    /// Calls the handler of the stream that was left with the engine. False = the stream was refused, or is gone.
    ///
    /// The handler is kept for the length of the call, and with it the stream, which is the handler's.
    @inline(__always) @discardableResult
    private static func tell(
        _ engine: OpaquePointer?, _ id: Int32, _ body: (HTTP2Stream, any HTTP2StreamHandler) -> Void
    ) -> Bool {
        guard let pointer = nghttp2_session_get_stream_user_data(engine, id) else { return false }
        return Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef { stream in
            guard let handler = stream.handler else { return false }
            body(stream, handler)
            return true
        }
    }

    // MARK: - In

    private static let onBeginFrame: nghttp2_on_begin_frame_callback = { engine, header, user in
        guard let header else { return 0 }
        return HTTP2Callbacks.session(user) { session in
            switch UInt32(header.pointee.type) {
            case NGHTTP2_SETTINGS.rawValue: session.noteWindows()
            case NGHTTP2_HEADERS.rawValue: session.checkIdentifier(header.pointee.stream_id)
            default: break
            }
            return 0
        } ?? 0
    }

    private static let onBeginHeaders: nghttp2_on_begin_headers_callback = { _, frame, user in
        HTTP2Callbacks.session(user) { session in
            session.block.begin()
            if frame?.pointee.hd.stream_id == session.newest { session.isNewestTaken = true }
        }
        return 0
    }

    private static let onHeader: nghttp2_on_header_callback = { _, frame, name, nameCount, value, valueCount, _, user in
        HTTP2Callbacks.session(user) { session in
            let name = UnsafeBufferPointer(start: name, count: nameCount)
            let value = UnsafeBufferPointer(start: value, count: valueCount)
            let limits = session.settings.limits
            if !session.block.take(name.span, value.span, limits: limits) { session.terminate(.enhanceYourCalm) }
            return 0
        } ?? 0
    }

    /// nghttp2 would leave the field out and go on; RFC 9113 section 8.2.1 calls the message malformed.
    private static let onInvalidHeader: nghttp2_on_invalid_header_callback = { _, _, name, nameCount, value, valueCount, _, user in
        HTTP2Callbacks.session(user) { session in
            session.block.isMalformed = true
            let name = UnsafeBufferPointer(start: name, count: nameCount)
            let value = UnsafeBufferPointer(start: value, count: valueCount)
            let limits = session.settings.limits
            if !session.block.take(name.span, value.span, limits: limits) {
                session.terminate(.enhanceYourCalm)
            }
            return 0
        } ?? 0
    }

    private static let onFrame: nghttp2_on_frame_recv_callback = { engine, frame, user in
        guard let frame else { return 0 }
        return HTTP2Callbacks.session(user) { session in
            let header = frame.pointee.hd
            let ended = header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
            switch UInt32(header.type) {
            case NGHTTP2_HEADERS.rawValue:
                let opens = frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST
                session.headReceived(header.stream_id, opens: opens, ended: ended)
            case NGHTTP2_DATA.rawValue:
                // Nothing but padding is as empty as nothing.
                if header.length > 0 && header.length == frame.pointee.data.padlen && !session.bounds.empty(nowMS: session.nowMS) {
                    session.terminate(.enhanceYourCalm)
                }
                if ended { HTTP2Callbacks.tell(engine, header.stream_id) { _, handler in handler.inboundEnded() } }
            case NGHTTP2_SETTINGS.rawValue:
                if header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 {
                    session.settingsReceived(frame.pointee.settings)
                }
            case NGHTTP2_GOAWAY.rawValue:
                session.handler?.goAwayReceived(HTTP2Error(code: frame.pointee.goaway.error_code))
            case NGHTTP2_RST_STREAM.rawValue: session.resetReceived(header.stream_id)
            default: break
            }
            return 0
        } ?? 0
    }

    private static let onData: nghttp2_on_data_chunk_recv_callback = { engine, _, id, data, count, user in
        HTTP2Callbacks.session(user) { session in
            let isKnown = HTTP2Callbacks.tell(engine, id) { stream, handler in
                stream.unused += count
                handler.dataReceived(UnsafeBufferPointer(start: data, count: count).span)
            }
            if !isKnown { nghttp2_session_consume(engine, id, count) }
            return 0
        } ?? 0
    }

    private static let onStreamClose: nghttp2_on_stream_close_callback = { engine, id, code, user in
        HTTP2Callbacks.session(user) { session in
            guard let pointer = nghttp2_session_get_stream_user_data(engine, id) else { return 0 }
            nghttp2_session_set_stream_user_data(engine, id, nil)
            Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef { stream in
                // The session's list keeps the stream until it is dropped, and then the handler, which has it.
                guard let keeper = stream.keeper else { return session.drop(stream) }
                session.drop(stream)
                keeper.streamClosed(HTTP2Error(code: code))
            }
            return 0
        } ?? 0
    }

    // MARK: - Out

    private static let readData: nghttp2_data_source_read_callback = { engine, id, _, length, flags, source, user in
        guard let pointer = source?.pointee.ptr, let flags else { return 0 }
        return Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef { stream in
            let n = min(stream.outbound.count, length)
            if n == 0 && !stream.outboundEnded {
                stream.isDeferred = true
                return Int(NGHTTP2_ERR_DEFERRED.rawValue)
            }
            flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
            if n == stream.outbound.count && stream.outboundEnded {
                flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
                if let trailers = stream.trailers {
                    stream.trailers = nil
                    flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
                    HTTP2Callbacks.session(user) { $0.submit(trailers, of: id) }
                }
            }
            return n
        }
    }

    /// The frame's header and its body go to the output at once: the body is copied one time.
    private static let sendData: nghttp2_send_data_callback = { _, frame, header, length, source, user in
        guard let pointer = source?.pointee.ptr, let header, let frame else { return HTTP2Callbacks.fatal }
        return HTTP2Callbacks.session(user) { session in
            guard let sink = session.sink else { return HTTP2Callbacks.fatal }
            return Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef { stream in
                sink._withUnsafeGuaranteedRef { out in
                    out.append(UnsafeBufferPointer(start: header, count: 9).span)
                    stream.outbound.withReadable { out.append($0.extracting(0..<length)) }
                }
                stream.outbound.consume(length)
                session.bounds.dataSent()
                if stream.outbound.isEmpty {
                    stream.outbound.giveBack()
                    stream.handler?.outboundDrained()
                }
                return 0
            }
        } ?? HTTP2Callbacks.fatal
    }

    private static let onFrameSent: nghttp2_on_frame_send_callback = { engine, frame, user in
        guard let frame else { return 0 }
        return HTTP2Callbacks.session(user) { session in
            let header = frame.pointee.hd
            switch UInt32(header.type) {
            case NGHTTP2_RST_STREAM.rawValue:
                session.resetSent(header.stream_id, HTTP2Error(code: frame.pointee.rst_stream.error_code))
            case NGHTTP2_GOAWAY.rawValue:
                // nghttp2 ends connections by itself, too.
                let error = HTTP2Error(code: frame.pointee.goaway.error_code)
                if error != .noError { session.ending = HTTP2Ending(isAsked: true, error: error) }
            case NGHTTP2_DATA.rawValue, NGHTTP2_HEADERS.rawValue:
                if header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 {
                    HTTP2Callbacks.tell(engine, header.stream_id) { _, handler in handler.outboundFinished() }
                }
            default: break
            }
            return 0
        } ?? 0
    }
}

extension HTTP2Session {
    /// A whole field section has come. - Parameter opens: the stream begins with it. Its method does not say so:
    /// a section that is too large is not read to its end.
    fileprivate func headReceived(_ id: Int32, opens: Bool, ended: Bool) {
        guard let engine else { return }
        let known = nghttp2_session_get_stream_user_data(engine, id)
        if block.isMalformed {
            nghttp2_submit_rst_stream(engine, 0, id, HTTP2Error.protocolError.rawValue)
            return
        }
        block.end()
        let stream: HTTP2Stream
        if let known {
            stream = Unmanaged<HTTP2Stream>.fromOpaque(known).takeUnretainedValue()
        } else {
            guard role == .server, opens else { return }
            guard let fresh = handler?.streamOpened() else {
                nghttp2_submit_rst_stream(engine, 0, id, HTTP2Error.refusedStream.rawValue)
                return
            }
            nghttp2_session_set_stream_user_data(engine, id, Unmanaged.passUnretained(fresh).toOpaque())
            keep(fresh, id)
            stream = fresh
        }
        let isHead = role == .server ? opens : block.status != 0
        guard let handler = stream.handler else { return }
        // A client gets its 431; an upstream cannot be told more.
        if block.isTooLarge && role == .client { return reset(stream, .internalError) }
        if isHead {
            if role == .client, block.status >= 200 { stream.headDone = true }
            handler.headReceived(block, ended: ended)
        } else {
            handler.trailersReceived(block)
        }
        // The handler may have ended the stream meanwhile, but not taken it away: that is `streamClosed`.
        if ended && stream.id == id { handler.inboundEnded() }
    }

    /// HEADERS for a stream that has ended, or that a later one has passed over, end the connection (RFC
    /// 9113 section 5.1.1), unless a reset was on its way to the client. nghttp2 ignores them all.
    fileprivate func checkIdentifier(_ id: Int32) {
        guard role == .server, let engine, id > 0, id & 1 == 1 else { return }
        if id > newest {
            if !isNewestTaken { cut.note(newest) }
            newest = id
            isNewestTaken = false
        } else if id == newest && !isNewestTaken {
            return
        } else if nghttp2_session_find_stream(engine, id) == nil && !cut.contains(id) {
            terminate(.protocolError)
        }
    }

    /// The windows as they are before a SETTINGS frame is applied: the largest is the first to overflow.
    fileprivate func noteWindows() {
        guard let engine else { return }
        windows.largest = open.reduce(0) { max($0, nghttp2_session_get_stream_remote_window_size(engine, $1.id)) }
        windows.initial = nghttp2_session_get_remote_settings(engine, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE)
    }

    /// nghttp2 resets the streams whose window overflows; RFC 9113 section 6.9.2 ends the connection.
    fileprivate func settingsReceived(_ frame: nghttp2_settings) {
        for i in 0..<frame.niv {
            guard let entry = frame.iv?[i], entry.settings_id == Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue) else { continue }
            let grown = Int64(windows.largest) + Int64(entry.value) - Int64(windows.initial)
            if !open.isEmpty && grown > Int64(Int32.max) { return terminate(.flowControlError) }
        }
        handler?.settingsReceived()
    }

    /// The peer ended a stream; what it ended may have cost us much more than the frame cost it.
    fileprivate func resetReceived(_ id: Int32) {
        // An endpoint may end all it is given; resets of streams that are no more are the flood.
        guard role == .server else {
            if !bounds.empty(nowMS: nowMS) { terminate(.enhanceYourCalm) }
            return
        }
        cut.note(id)
        if !bounds.reset(nowMS: nowMS) { terminate(.enhanceYourCalm) }
    }

    /// Resets the peer provokes cost us as much as its own.
    fileprivate func resetSent(_ id: Int32, _ error: HTTP2Error) {
        guard role == .server else { return }
        cut.note(id)
        switch error {
        case .protocolError, .flowControlError, .streamClosed, .frameSizeError, .refusedStream:
            if !bounds.reset(nowMS: nowMS) { terminate(.enhanceYourCalm) }
        default: break
        }
    }

    fileprivate func submit(_ trailers: Buffer, of id: Int32) {
        guard let engine else { return }
        trailerBlock.clear()
        trailerBlock.add(lines: { out in trailers.withReadable { out.append($0) } })
        _ = trailerBlock.withPairs { nghttp2_submit_trailer(engine, id, $0, $1) }
    }
}
