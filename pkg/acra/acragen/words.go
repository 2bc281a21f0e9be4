package acragen

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// pickOne returns a random element. An element that is repeated in list is more likely.
func pickOne(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

func isLive(status string) bool { return strings.HasPrefix(status, "Live") }

// vocabulary has the parts of values. Frequent parts are repeated.
type vocabulary struct {
	onsets, rhymes, trades, suffixes              []string
	streets, buildings, activities, industries    []string
	companyTypes, companyStatuses                 []string
	businessStatuses, partnershipStatuses, branch []string
}

func newVocabulary() vocabulary {
	return vocabulary{
		onsets: strings.Fields("B BR D DR F G GL H K KR L M N P PL QU R S SH ST T TR V W Z"),
		rhymes: strings.Fields("A AN AR E EL EN ER I IN IO O ON OR OS U UM US AL IR AX"),
		trades: strings.Split("TRADING;CONSULTING;ENGINEERING;LOGISTICS;FOODS;VENTURES;HOLDINGS;DESIGN;MEDIA;"+
			"TECHNOLOGIES;SERVICES;MARINE;CAPITAL;RENOVATION;LEARNING;TRAVEL;BEAUTY;SOLUTIONS;PROPERTIES;"+
			"ELECTRONICS;CAFE;BAKERY;MOTORS;HEALTHCARE;PRINTING;FASHION;SOFTWARE;ENERGY;STUDIO;INTERNATIONAL", ";"),
		suffixes: expandWeights(" PTE. LTD.*84; PTE LTD*6; PRIVATE LIMITED*5; LTD.*3; (S) PTE. LTD.*2"),
		streets: strings.Split("EXAMPLE ROAD;SAMPLE STREET;PATTERN AVENUE 1;PATTERN AVENUE 4;MODEL DRIVE;"+
			"SPECIMEN LANE;TEMPLATE WAY;DRAFT CRESCENT;OUTLINE LINK;SKETCH BOULEVARD;JALAN CONTOH;LORONG 12 CONTOH;"+
			"TRIAL INDUSTRIAL PARK A2;DEMO STREET 51", ";"),
		buildings: strings.Split(" TOWER; CENTRE; PLAZA; BIZHUB; HOUSE; INDUSTRIAL BUILDING", ";"),
		activities: strings.Split("GENERAL TRADING;INVESTMENT HOLDING;IMPORT & EXPORT OF GOODS;"+
			"SOFTWARE DEVELOPMENT, SUPPORT AND TRAINING;HOME BAKERY;EVENTS;INTERIOR FITTING-OUT;TUITION;"+
			"ONLINE SHOP;SHIP REPAIR, MARINE WORKS;FREIGHT AGENCY;NETWORK CABLING", ";"),
		industries: expandWeights("46900*80;64202*60;70201*55;62011*40;56111*38;41001*32;43301*30;47711*28;" +
			"82999*26;47910*26;49219*26;96099*25;96021*22;85509*20;46599*18;56122*18;62023*16;68201*14;43210*14;" +
			"73100*13;46411*12;47102*12;52292*11;46302*10;69201*9;81211*9;66301*9;33120*9;47714*9;74192*8;45300*8;" +
			"86201*7;32909*6;93209*6;46473*5;64201*3;01111*2;01412*1;03220*1"),
		companyTypes: expandWeights("Exempt Private Company Limited by Shares*76;" +
			"Private Company Limited by Shares*22;Public Company Limited by Guarantee*1;" +
			"Public Company Limited by Shares*1"),
		companyStatuses: expandWeights("Struck Off*500;Live Company*448;" +
			"Dissolved - Members Voluntary Winding Up*23;Dissolved - Compulsory Winding Up (Insolvency)*10;" +
			"Dissolved - Creditors Voluntary Winding Up*9;Gazetted To Be Struck Off*8;" +
			"Live (Receiver or Receiver and Manager appointed)*1;" +
			"In Liquidation - Compulsory Winding Up (Insolvency)*1"),
		businessStatuses: expandWeights("Terminated*339;Cancelled*289;Cancelled (Non-Renewal)*132;Live*129;" +
			"Ceased Registration*105;Converted To LLP*4;Registration expired and has not been renewed*1;Suspended*1"),
		partnershipStatuses: expandWeights("Live*46;Cancelled*32;Struck Off*14;Ceased Registration*8"),
		branch: expandWeights("Ceased Registration*63;Live Company*32;" +
			"Dissolved - Members Voluntary Winding Up*5"),
	}
}

// expandWeights reads "value*times;…" and returns each value that many times.
func expandWeights(spec string) []string {
	var list []string
	for _, entry := range strings.Split(spec, ";") {
		value, times, _ := strings.Cut(entry, "*")
		n, err := strconv.Atoi(times)
		if err != nil {
			panic("acragen: " + entry) // a typing error in newVocabulary
		}
		for range n {
			list = append(list, value)
		}
	}
	return list
}
