package northbound

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// ErrUnknownKind marks an object of a kind that this version does not have: a newer one wrote it, and it
// is left alone.
var ErrUnknownKind = errors.New("unknown kind")

// ErrNewerSchema marks an object whose fields may mean something else than this version thinks.
var ErrNewerSchema = errors.New("written by a newer version")

// KeyOf returns the key under which an object is stored.
func KeyOf(o model.Object) db.Key {
	return db.Key{Scope: db.Scope(o.Scope()), Kind: string(o.Kind()), ID: o.Metadata().ID}
}

// Encode returns an object as it is stored: JSON with the schema version, byte for byte the same for
// equal objects, with the unknown fields that it was read with. The object is not changed.
func Encode(o model.Object) ([]byte, error) {
	if o.Metadata().Schema > model.SchemaVersion {
		return nil, fmt.Errorf("encode %s: %w (schema %d, ours is %d)", KeyOf(o), ErrNewerSchema,
			o.Metadata().Schema, model.SchemaVersion)
	}
	if o.Metadata().Schema != model.SchemaVersion {
		stamped := reflect.New(reflect.TypeOf(o).Elem())
		stamped.Elem().Set(reflect.ValueOf(o).Elem())
		o = stamped.Interface().(model.Object)
		o.Metadata().Schema = model.SchemaVersion
	}
	b, err := json.Marshal(o, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", KeyOf(o), err)
	}
	return b, nil
}

// Decode reads what Encode or another version wrote. It is strict about types, names the key and the
// field in its error, and refuses a value whose kind, id or scope is not the key's. It does not call
// Validate.
func Decode(key db.Key, value []byte) (model.Object, error) {
	o := model.New(model.Kind(key.Kind))
	if o == nil {
		return nil, fmt.Errorf("decode %s: %w", key, ErrUnknownKind)
	}
	if err := json.Unmarshal(value, o); err != nil {
		return nil, fmt.Errorf("decode %s: %w", key, fieldError(err))
	}
	if o.Metadata().Schema > model.SchemaVersion {
		return nil, fmt.Errorf("decode %s: %w (schema %d, ours is %d)", key, ErrNewerSchema,
			o.Metadata().Schema, model.SchemaVersion)
	}
	if got := KeyOf(o); got != key {
		return nil, fmt.Errorf("decode %s: the value says that it is %s", key, got)
	}
	model.Share(o)
	return o, nil
}

// fieldError puts the place of a JSON error first, as "fixed_ips/0/ip_address: …".
func fieldError(err error) error {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) && semantic.JSONPointer != "" {
		cause := semantic.Err
		if cause == nil {
			cause = fmt.Errorf("a JSON %s does not fit Go's %s", kindName(semantic.JSONKind), semantic.GoType)
		}
		return fmt.Errorf("%s: %w", semantic.JSONPointer[1:], cause)
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) && syntactic.JSONPointer != "" {
		return fmt.Errorf("%s: at byte %d: %w", syntactic.JSONPointer[1:], syntactic.ByteOffset, syntactic.Err)
	}
	return err
}

func kindName(k jsontext.Kind) string {
	switch k {
	case jsontext.KindNull:
		return "null"
	case jsontext.KindTrue, jsontext.KindFalse:
		return "boolean"
	case jsontext.KindString:
		return "string"
	case jsontext.KindNumber:
		return "number"
	case jsontext.KindBeginObject:
		return "object"
	case jsontext.KindBeginArray:
		return "array"
	}
	return "value"
}

// Digest is the part of an object's version beside its revision: 16 hexadecimal digits of the SHA-256 of
// the encoded object, for comparing and for people.
func Digest(encoded []byte) string {
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:8])
}

// sameContent reports whether a stored value, by whatever version, means the same as an encoded object.
func sameContent(stored model.Object, raw, encoded []byte) bool {
	if bytes.Equal(raw, encoded) {
		return true
	}
	again, err := Encode(stored)
	return err == nil && bytes.Equal(again, encoded)
}
