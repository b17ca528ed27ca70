import Telemetry

// Settings has types of the same names; here the request path's own are meant.
typealias RequestLog = AccessLog
typealias RequestLogWriter = LogWriter
