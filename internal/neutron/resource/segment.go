package resource

import (
	"errors"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
)

// Segment is one of a network's segments as the API of segments shows it. It is not stored: it is a part of its
// network.
type Segment struct {
	Common
	NetworkID string
	Segment   model.Segment
}

// Clone returns a copy.
func (s *Segment) Clone() Row { c := *s; return &c }

// SegmentNote is what users and the API say about a segment; chassis have no use for it.
type SegmentNote struct {
	Name        string    `json:"name,omitzero"`
	Description string    `json:"description,omitzero"`
	CreatedAt   time.Time `json:"created_at,omitzero"`
	UpdatedAt   time.Time `json:"updated_at,omitzero"`
	Revision    int64     `json:"revision_number,omitzero"`
}

// SegmentRows are the network's segments for the API. One that came with the network is as old as that.
func (n *Network) SegmentRows() []*Segment {
	out := make([]*Segment, 0, len(n.Segments))
	for _, s := range n.Segments {
		row := &Segment{
			Common:    Common{ID: s.ID, ProjectID: n.ProjectID, CreatedAt: n.CreatedAt, UpdatedAt: n.CreatedAt, Revision: 1},
			NetworkID: n.ID, Segment: s,
		}
		if note, ok := n.SegmentNotes[s.ID]; ok {
			row.Name, row.Description, row.CreatedAt, row.UpdatedAt, row.Revision = note.Name, note.Description, note.CreatedAt, note.UpdatedAt, note.Revision
		}
		out = append(out, row)
	}
	return out
}

// NoteSegment keeps what the API says about a segment, in a copy of what the network has; of segments that it
// no longer has it forgets it.
func (n *Network) NoteSegment(row *Segment) {
	notes := map[string]SegmentNote{}
	for _, s := range n.Segments {
		if note, ok := n.SegmentNotes[s.ID]; ok {
			notes[s.ID] = note
		}
	}
	if row != nil {
		notes[row.ID] = SegmentNote{row.Name, row.Description, row.CreatedAt, row.UpdatedAt, row.Revision}
	}
	n.SegmentNotes = notes
}

// Segments is the type "segment" (extension "segment").
func Segments() *Type {
	hidden := func(name string) Attr {
		return unlisted(attr(name, OnPost, func(s *Segment, v any) error { _, err := Text(255)(v); return err }, nil))
	}
	_, last := standard(nameAttr(NullableText(255)))
	own := []Attr{
		shown("id", func(s *Segment) any { return s.ID }), hidden("tenant_id"), hidden("project_id"),
		required(field("network_id", OnPost, UUID, func(s *Segment) *string { return &s.NetworkID })),
		attr("name", Writable, func(s *Segment, v any) (err error) { s.Name, err = NullableText(255)(v); return err },
			func(s *Segment) any { return textOrNil(s.Name) }),
		attr("physical_network", OnPost, func(s *Segment, v any) (err error) { s.Segment.PhysicalNetwork, err = Text(64)(v); return err },
			func(s *Segment) any { return textOrNil(s.Segment.PhysicalNetwork) }),
		required(attr("network_type", OnPost, setTypeOfSegment, func(s *Segment) any { return string(s.Segment.NetworkType) })),
		attr("segmentation_id", OnPost, setIDOfSegment, func(s *Segment) any { return showSegmentationID(s.Segment) }),
	}
	return &Type{
		Kind: "neutron.segment", Singular: "segment", Plural: "segments", Path: "segments",
		Attrs: join(own, nil, last), New: func() Row { return new(Segment) },
		notFoundType: "SegmentNotFound", notFoundText: "Segment %s could not be found.",
	}
}

func setTypeOfSegment(s *Segment, v any) error {
	t, err := Text(32)(v)
	if err == nil && t == "" {
		return InvalidInput("network_type required")
	}
	s.Segment.NetworkType = model.NetworkType(t)
	return err
}

func setIDOfSegment(s *Segment, v any) error {
	if v == nil {
		return errors.New("'None' is not an integer")
	}
	return setSegmentationID(&s.Segment, v)
}
