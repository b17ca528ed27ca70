import Reactor

/// One client's connection, whatever it speaks: what the worker asks of all of them.
class ServedConnection: Source {
    /// Drain: an idle connection ends now, a busy one when its exchanges have.
    func drain() {}
    /// The end of the gateway: what runs is cut, recorded, and visibly not whole.
    func cutOff() {}
}
