package resource

import (
	"fmt"
	"net/http"
)

// Error is a refusal as Neutron's API words it: Type is the name of Neutron's exception, by which
// clients and tests tell errors apart, Status the HTTP code it is sent with.
type Error struct {
	Status  int
	Type    string
	Message string
	Detail  string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// BadRequest is what Neutron answers when the request itself is malformed.
func BadRequest(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Type: "HTTPBadRequest", Message: fmt.Sprintf(format, args...)}
}

// Invalid says that the value of an attribute cannot be accepted.
func Invalid(attr string, reason string) *Error {
	return BadRequest("Invalid input for %s. Reason: %s.", attr, reason)
}

// InvalidInput says that well-formed attributes do not make sense together.
func InvalidInput(format string, args ...any) *Error {
	return &Error{
		Status: http.StatusBadRequest, Type: "InvalidInput",
		Message: "Invalid input for operation: " + fmt.Sprintf(format, args...) + ".",
	}
}

// Refused is a 400 with one of Neutron's own types.
func Refused(typ, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Type: typ, Message: fmt.Sprintf(format, args...)}
}

// Conflict is a 409 with one of Neutron's own types.
func Conflict(typ, format string, args ...any) *Error {
	return &Error{Status: http.StatusConflict, Type: typ, Message: fmt.Sprintf(format, args...)}
}

// NotFound is the 404 of a type of resource.
func (t *Type) NotFound(id string) *Error {
	return &Error{Status: http.StatusNotFound, Type: t.notFoundType, Message: fmt.Sprintf(t.notFoundText, id)}
}
