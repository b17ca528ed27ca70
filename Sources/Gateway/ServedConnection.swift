import Reactor
import Settings

/// One client's connection, whatever it speaks: what the worker asks of all of them.
class ServedConnection: Source {
    /// Loop milliseconds after which a request is this connection's last.
    let agedMS: UInt64

    init(port: ListenerPort, worker: Worker) {
        let age = Int(port.timeouts.maxAge)
        agedMS = age == 0 ? .max : worker.loop.nowMS + UInt64(age - age / 10 + worker.draw(below: age / 5 + 1))
        super.init()
    }

    /// Drain: an idle connection ends now, a busy one when its exchanges have.
    func drain() {}
    /// The end of the gateway: what runs is cut, recorded, and visibly not whole.
    func cutOff() {}
}
