package fakeswitch

// shape is what the values of a column look like: RFC 7047 section 5.1.
type shape uint8

const (
	text shape = iota
	integer
	optional
	set
	dict
)

// schema has the tables and columns of Open vSwitch's database that a controller follows or sets.
func schema() map[string]map[string]shape {
	return map[string]map[string]shape{
		"Open_vSwitch": {"ovs_version": optional, "bridges": set, "external_ids": dict, "other_config": dict},
		"Bridge": {
			"name": text, "datapath_type": text, "datapath_id": optional, "fail_mode": optional, "protocols": set, "ports": set,
			"controller": set, "flow_tables": dict, "external_ids": dict, "other_config": dict,
		},
		"Port": {"name": text, "interfaces": set, "tag": optional, "qos": optional, "external_ids": dict},
		"Interface": {
			"name": text, "type": text, "ofport": optional, "mac_in_use": optional, "link_state": optional, "admin_state": optional,
			"error": optional, "options": dict, "external_ids": dict,
		},
		"Flow_Table": {"name": optional, "prefixes": set, "external_ids": dict},
		"Controller": {"target": text, "is_connected": text},
		"QoS":        {"type": text, "queues": dict, "other_config": dict, "external_ids": dict},
		"Queue":      {"other_config": dict, "external_ids": dict},
	}
}

// described is the schema as get_schema answers it.
func described() map[string]any {
	tables := map[string]any{}
	for table, columns := range schema() {
		list := map[string]any{}
		for name, s := range columns {
			list[name] = map[string]any{"type": s.described()}
		}
		tables[table] = map[string]any{"columns": list}
	}
	return map[string]any{"name": "Open_vSwitch", "version": "8.3.1", "tables": tables}
}

func (s shape) described() any {
	switch s {
	case optional:
		return map[string]any{"key": "string", "min": 0, "max": 1}
	case set:
		return map[string]any{"key": "string", "min": 0, "max": "unlimited"}
	case dict:
		return map[string]any{"key": "string", "value": "string", "min": 0, "max": "unlimited"}
	case integer:
		return "integer"
	}
	return "string"
}

// empty is the value of a column that nobody has set.
func (s shape) empty() any {
	switch s {
	case optional, set:
		return []any{"set", []any{}}
	case dict:
		return []any{"map", []any{}}
	case integer:
		return 0
	}
	return ""
}
