package flow

// What [Action.Decode] returns, beside [ConnTrack], [NAT], [Punt] and [LearnFlow].
type (
	// OutputAction sends to a port, perhaps one of the Port constants.
	OutputAction struct {
		Port   uint32
		MaxLen uint16
	}
	// GroupAction hands over to a group.
	GroupAction struct{ ID uint32 }
	// SetQueueAction is [SetQueue].
	SetQueueAction struct{ ID uint32 }
	// PopQueueAction is [PopQueue].
	PopQueueAction struct{}
	// DecTTLAction is [DecTTL].
	DecTTLAction struct{}
	// PushVLANAction is [PushVLAN].
	PushVLANAction struct{ EthType uint16 }
	// PopVLANAction is [PopVLAN].
	PopVLANAction struct{}
	// SetFieldAction is [SetField].
	SetFieldAction struct{ Constraint }
	// LoadAction is [Load].
	LoadAction struct {
		Dst   SubField
		Value uint64
	}
	// MoveAction is [Move].
	MoveAction struct{ Src, Dst SubField }
	// ResubmitAction is [Resubmit]; Port is 0 where the ingress port stays.
	ResubmitAction struct {
		Port  uint16
		Table uint8
	}
	// CTClearAction is [CTClear].
	CTClearAction struct{}
	// ExitAction is [Exit].
	ExitAction struct{}
	// CloneAction is [Clone].
	CloneAction struct{ Actions []Action }
	// NoteAction is [Note].
	NoteAction struct{ Data string }
	// ConjunctionAction is [Conjunction].
	ConjunctionAction struct {
		ID   uint32
		N, K uint8
	}
	// PushAction is [Push].
	PushAction struct{ Src SubField }
	// PopAction is [Pop].
	PopAction struct{ Dst SubField }
	// MultipathAction is [Multipath].
	MultipathAction struct {
		What  HashFields
		Basis uint16
		How   HashAlgorithm
		Links int
		Dst   SubField
	}
	// CheckPktLargerAction is [CheckPktLarger].
	CheckPktLargerAction struct {
		Size uint16
		Dst  SubField
	}
	// RawAction is any other, or one that has something this package cannot express.
	RawAction struct{ Wire string }
)
