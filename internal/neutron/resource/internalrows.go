package resource

// Quota is the stored form of a project's limits; its ID is the project. A resource that is not named has
// the default limit, -1 is no limit.
type Quota struct {
	Common
	Limits map[string]int `json:"limits"`
}

// Clone returns a copy.
func (q *Quota) Clone() Row { c := *q; return &c }

// DefaultGroup says which security group is a project's default; its ID is the project, so that there
// can be only one.
type DefaultGroup struct {
	Common
	GroupID string `json:"security_group_id"`
}

// Clone returns a copy.
func (d *DefaultGroup) Clone() Row { c := *d; return &c }

// Quotas is the type of the rows of limits. The API of quotas is not that of a collection.
func Quotas() *Type {
	return &Type{
		Kind: "neutron.quota", Singular: "quota", Plural: "quotas", New: func() Row { return new(Quota) },
		notFoundType: "ProjectQuotaNotFound", notFoundText: "Quota for project %s could not be found.",
	}
}

// DefaultGroups is the type of the rows that name default groups; the API does not show them.
func DefaultGroups() *Type {
	return &Type{
		Kind: "neutron.default-group", Singular: "default group", New: func() Row { return new(DefaultGroup) },
		notFoundType: "SecurityGroupNotFound", notFoundText: "Default security group of %s does not exist",
	}
}

// QuotaGuard is written with every resource that a project makes when it is near a limit, so that
// servers that count at the same time notice each other; its ID is the project.
type QuotaGuard struct{ Common }

// Clone returns a copy.
func (g *QuotaGuard) Clone() Row { c := *g; return &c }

// QuotaGuards is the type of these rows; the API does not show them.
func QuotaGuards() *Type {
	return &Type{
		Kind: "neutron.quota-guard", Singular: "quota guard", New: func() Row { return new(QuotaGuard) },
		notFoundType: "ProjectQuotaNotFound", notFoundText: "Quota for project %s could not be found.",
	}
}
