package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/pipeline"
)

// The profiles.
const (
	profileIstio    = "istio"
	profileHardened = "hardened"
)

// defaultProfile is what a command does without --profile.
const defaultProfile = profileHardened

// profileFlags say what becomes of CORS policies. Empty ones leave the choice to
// the input, and to the defaults.
type profileFlags struct {
	name, enforce, reportOnly string
	without                   []string
}

func (f *profileFlags) register(fs *pflag.FlagSet) {
	f.name = defaultProfile
	fs.StringVar(&f.name, "profile", f.name, "what CORS policies become: hardened enforces them at the gateway, istio does exactly what Istio does")
	fs.StringVar(&f.enforce, "enforce", "", "`level` of the profile hardened: headers (browsers alone enforce), preflight (refuse preflights) or block (refuse other sites' requests too) (default preflight)")
	fs.StringVar(&f.reportOnly, "report-only", "", "`level` that is tried beside the one in force: what it would refuse is served, counted and logged")
	fs.StringSliceVar(&f.without, "without-rule", nil, "`rule` of the profile hardened to leave out: "+strings.Join(cors.RuleNames(), ", ")+"; may be repeated")
}

// completeProfiles completes the values of the flags in every command that has them.
func completeProfiles(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		completeProfiles(sub)
	}
	for flag, values := range map[string][]string{
		"profile": {profileHardened, profileIstio}, "enforce": cors.LevelNames(), "report-only": cors.LevelNames(), "without-rule": cors.RuleNames(),
	} {
		if cmd.Flags().Lookup(flag) != nil {
			completeWith(cmd, flag, values...)
		}
	}
}

// profile returns what the flags mean, or what is wrong with them.
func (f *profileFlags) profile() (pipeline.Profile, error) {
	var p pipeline.Profile
	switch f.name {
	case profileHardened:
		p.Hardened = true
	case profileIstio, "":
		if f.enforce != "" || f.reportOnly != "" || len(f.without) > 0 {
			return p, usagef("--enforce, --report-only and --without-rule are for --profile hardened")
		}
		return p, nil
	default:
		return p, usagef("--profile %s: want %s or %s", f.name, profileHardened, profileIstio)
	}
	for _, l := range []struct {
		flag, value string
		to          **cors.Level
	}{{"enforce", f.enforce, &p.Enforcement.Level}, {"report-only", f.reportOnly, &p.Enforcement.ReportOnly}} {
		if l.value == "" {
			continue
		}
		level, err := cors.ParseLevel(l.value)
		if err != nil {
			return p, usagef("--%s: %v", l.flag, err)
		}
		*l.to = &level
	}
	if len(f.without) > 0 {
		rules, err := cors.ParseRules(strings.Join(f.without, ","))
		if err != nil {
			return p, usagef("--without-rule: %v", err)
		}
		p.Enforcement.Without = &rules
	}
	return p, nil
}
