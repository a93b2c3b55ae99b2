// The door to Python: bytes in, bytes out, and no exception of C++ passes it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>

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

void list_symbol(deedbook::RequestReader& reader, std::string symbol, std::uint16_t instrument, int price_decimals,
          std::int64_t price_step, int lot_decimals) {
    reader.list(std::move(symbol), {instrument, price_decimals, price_step, lot_decimals});
}

nb::object read_request(deedbook::RequestReader& reader, nb::bytes message, std::uint32_t account) {
    deedbook::PlainRequest request;
    if (!reader.read({message.c_str(), message.size()}, account, request)) return nb::none();
    const auto* record = reinterpret_cast<const char*>(&request.command);
    return nb::make_tuple(request.command.kind, nb::bytes(record, sizeof request.command),
                          nb::str(request.id.data(), request.id.size()), static_cast<int>(request.response),
                          request.timestamp);
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
    nb::class_<deedbook::RequestReader>(module, "RequestReader")
        .def(nb::init<>())
        .def("list", &list_symbol)
        .def("read", &read_request);
}
