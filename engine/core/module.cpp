// The door to Python: bytes in, bytes out, and no exception of C++ passes it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <exception>
#include <new>
#include <optional>
#include <string>
#include <span>
#include <string_view>

#include "answers.hpp"
#include "bare_book.hpp"
#include "exchange.hpp"
#include "requests.hpp"

namespace nb = nanobind;

namespace {

using deedbook::BareBook;
using deedbook::BrokenRule;
using deedbook::Exchange;

class View {
public:
    explicit View(nb::handle object) {
        if (PyObject_GetBuffer(object.ptr(), &buffer_, PyBUF_SIMPLE) != 0) throw nb::python_error();
    }
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    ~View() { PyBuffer_Release(&buffer_); }

    std::string_view bytes() const noexcept {
        return {static_cast<const char*>(buffer_.buf), static_cast<std::size_t>(buffer_.len)};
    }

private:
    Py_buffer buffer_;
};

[[noreturn]] void fail(PyObject* kind, const char* what) {
    PyErr_SetString(kind, what);
    throw nb::python_error();
}

/// What `answer(commands)` says as bytes; a broken rule is an AssertionError.
template <typename Answer>
nb::bytes answered(nb::handle commands, Answer answer) {
    const View view(commands);
    decltype(answer(view.bytes())) said;
    const char* broken = nullptr;
    {
        nb::gil_scoped_release unlocked;
        try {
            said = answer(view.bytes());
        } catch (const BrokenRule& rule) {
            broken = rule.what;
        } catch (const std::bad_alloc&) {
            broken = "no memory";
        }
    }
    if (broken != nullptr) fail(PyExc_AssertionError, broken);
    return nb::bytes(said.data(), said.size() * sizeof *said.data());
}

template <typename Machine>
nb::bytes apply(Machine& machine, nb::handle commands) {
    return answered(commands, [&machine](std::string_view bytes) { return machine.apply(bytes); });
}

nb::bytes service_times_ns(Exchange& exchange, nb::handle commands) {
    return answered(commands, [&exchange](std::string_view bytes) { return exchange.service_times_ns(bytes); });
}

void restore(Exchange& exchange, nb::handle image) {
    const View view(image);
    try {
        exchange.restore(view.bytes());
    } catch (const BrokenRule& rule) {
        fail(PyExc_ValueError, rule.what);
    } catch (const std::exception&) {  // it asks for more memory than there is
        fail(PyExc_ValueError, "the snapshot's numbers cannot be");
    }
}

nb::bytes snapshot(const Exchange& exchange) {
    const std::string image = exchange.snapshot();
    return nb::bytes(image.data(), image.size());
}

/// Plain requests and the answers to them: both doors to one list of instruments.
struct PlainCodec {
    deedbook::RequestReader reader;
    deedbook::AnswerWriter writer;
};

void list_symbol(PlainCodec& codec, std::string symbol, std::uint16_t instrument, int price_decimals,
                 std::int64_t price_step, int lot_decimals) {
    const deedbook::Scale scale{instrument, price_decimals, price_step, lot_decimals};
    codec.writer.list(symbol, scale);
    codec.reader.list(std::move(symbol), scale);
}

void refuse_with(PlainCodec& codec, std::uint8_t kind, std::uint8_t reason, std::string error) {
    codec.writer.refuse_with(kind, reason, std::move(error));
}

nb::object read_request(PlainCodec& codec, nb::bytes message, std::uint32_t account) {
    deedbook::PlainRequest request;
    if (!codec.reader.read({message.c_str(), message.size()}, account, request)) return nb::none();
    const auto* record = reinterpret_cast<const char*>(&request.command);
    return nb::make_tuple(request.command.kind, nb::bytes(record, sizeof request.command),
                          nb::str(request.id.data(), request.id.size()), static_cast<int>(request.response),
                          request.timestamp);
}

/// The attribute `name`, an interned string.
nb::object attribute(nb::handle object, PyObject* name) {
    PyObject* const value = PyObject_GetAttr(object.ptr(), name);
    if (value == nullptr) throw nb::python_error();
    return nb::steal(value);
}

std::string_view utf8(nb::handle text) {
    Py_ssize_t size;
    const char* const data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
    if (data == nullptr) throw nb::python_error();
    return {data, static_cast<std::size_t>(size)};
}

deedbook::Response response_of(std::string_view name) {
    using deedbook::Response;
    return name == "FULL" ? Response::FULL : name == "RESULT" ? Response::RESULT : Response::ACK;
}

nb::object answer(PlainCodec& codec, const deedbook::Command& command, std::span<const deedbook::Event> events,
                  nb::handle asked) {
    static PyObject* const ID = PyUnicode_InternFromString("request_id");
    static PyObject* const LIMITS = PyUnicode_InternFromString("limits");
    static PyObject* const CANCEL_ID = PyUnicode_InternFromString("cancel_id");
    static PyObject* const RESPONSE = PyUnicode_InternFromString("response");
    const nb::object id = attribute(asked, ID), limits = attribute(asked, LIMITS);
    const nb::object cancel_id = attribute(asked, CANCEL_ID), response = attribute(asked, RESPONSE);
    const std::string_view frame =
        codec.writer.write(command, events, {utf8(id), utf8(limits), utf8(cancel_id), response_of(utf8(response))});
    if (frame.empty()) return nb::none();
    return nb::bytes(frame.data(), frame.size());
}

nb::list answers(PlainCodec& codec, nb::bytes commands, nb::bytes events, nb::list origins, nb::handle kind) {
    using deedbook::Command, deedbook::Event;
    const std::span all(reinterpret_cast<const Command*>(commands.c_str()), commands.size() / sizeof(Command));
    const std::span told(reinterpret_cast<const Event*>(events.c_str()), events.size() / sizeof(Event));
    if (all.size() != origins.size()) fail(PyExc_AssertionError, "each command has its origin");
    nb::list frames;
    std::size_t from = 0;
    for (std::size_t at = 0; at < all.size(); ++at) {
        std::size_t to = from;
        while (to < told.size() && told[to].seq == all[at].seq) ++to;
        const nb::handle origin = origins[at];
        if (Py_TYPE(origin.ptr()) == reinterpret_cast<PyTypeObject*>(kind.ptr())) {
            frames.append(answer(codec, all[at], told.subspan(from, to - from), origin));
        } else {
            frames.append(nb::none());
        }
        codec.writer.follow(all[at], told.subspan(from, to - from));
        from = to;
    }
    return frames;
}

}  // namespace

NB_MODULE(_core, module) {
    nb::set_leak_warnings(false);  // what lives as long as the process is no leak
    nb::class_<Exchange>(module, "Exchange")
        .def(nb::init<>())
        .def_prop_ro("seq", &Exchange::seq)
        .def_prop_ro("time_ns", &Exchange::time_ns)
        .def_prop_ro("next_due_ns", &Exchange::next_due_ns)
        .def("apply", &apply<Exchange>)
        .def("service_times_ns", &service_times_ns)
        .def("snapshot", &snapshot)
        .def("restore", &restore);
    nb::class_<BareBook>(module, "BareBook").def(nb::init<>()).def("apply", &apply<BareBook>);
    nb::class_<PlainCodec>(module, "PlainCodec")
        .def(nb::init<>())
        .def("list", &list_symbol)
        .def("refuse_with", &refuse_with)
        .def("read", &read_request)
        .def("answers", &answers);
}
